/** Commands run in this process, with a client that is only a record of what it was asked. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach } from 'vitest'
import { OsirisError } from '#protocols/errors'
import type { SuccessionText } from '#protocols/management'
import type {
  CallStatus,
  DeadCallback,
  CanaryStatus,
  DomainSummary,
  Deployed,
  FunctionDetail,
  FunctionSummary,
  GrantSummary,
  LedgerConflicts,
  NodeSummary,
  QuotaSummary,
  ScaleSummary,
  Schedule,
  VersionDiff,
  DeadLetter,
  StartedCall,
  StartOptions,
  SubscriptionSummary,
} from '#sdk'
import type { NodeApi } from './api.ts'
import type { Io } from './io.ts'
import { runCommand } from './program.ts'
import type { Target } from './target.ts'

/** The folder of the test: state, keys, and where commands are given. */
export let dir: string
/** What the client was asked. */
export let asked: unknown[][]
export let targets: Target[]
/** A folder of its own for each test of the file that says so. */
export function useFolder(): void {
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'osiris-commands-'))
    asked = []
    targets = []
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))
}

export const signed = { holder: 'b'.repeat(64), node: 'node-1', atMs: 0, signature: 'c'.repeat(128) }
export const receipt = {
  author: 'a',
  seq: 1,
  hash: 'h',
  state: 'committed' as const,
  holders: [],
  needed: 1,
  members: 1,
  receipts: [signed],
}
export const summary: FunctionSummary = {
  namespace: 'demo',
  name: 'greet',
  version: 'f'.repeat(64),
  ordinal: 2,
  versions: 2,
  access: 'token',
  routes: [],
  publishedAt: 0,
  publishedBy: 'ada',
}

const canary: CanaryStatus = {
  ...{ alias: 'live', version: 'e'.repeat(64), weight: 10, steps: [10, 25, 50, 100], watchMs: 1000, startedAt: 1, since: 1 },
  ...{ state: 'running', why: '', by: 'ada' },
}

/** Each look finds the next of them. */
function canaryDetail(statuses: CanaryStatus[]): FunctionDetail {
  const [promotion = canary] = statuses.length > 1 ? statuses.splice(0, 1) : statuses
  return { ...summary, lostRoutes: [], manifest: {} as FunctionDetail['manifest'], aliases: {}, promotion }
}

export function node(
  answers: {
    call?: unknown
    functions?: FunctionSummary[]
    deploy?: (name: string) => Deployed
    schedules?: Schedule[]
    letters?: DeadLetter[]
    subscriptions?: SubscriptionSummary[]
    nodes?: NodeSummary[]
    conflicts?: LedgerConflicts
    grants?: GrantSummary[]
    quotas?: QuotaSummary[]
    scale?: ScaleSummary
    left?: number
    calls?: CallStatus[]
    callbacks?: DeadCallback[]
    canary?: CanaryStatus[]
    domains?: DomainSummary[]
    diff?: VersionDiff
    joinToken?: string
    keys?: SuccessionText['keys']
  } = {},
): NodeApi {
  const note = <T>(value: () => T, ...words: unknown[]): Promise<T> => {
    asked.push(words)
    return Promise.resolve().then(value)
  }
  const detail = () => {
    throw new OsirisError('not_found', 'Cannot find "demo/greet"')
  }
  const callWith = <T>(id: string): CallStatus<T> => {
    const found = answers.calls?.find((each) => each.id === id)
    if (found === undefined) throw new OsirisError('not_found', 'Cannot find the call')
    return found as CallStatus<T>
  }
  const started = <T>(id: string): StartedCall<T> => ({
    id,
    status: (options) => note(() => callWith<T>(id), 'status', id, options),
    result: (options) => note(() => callWith<T>(id).value as T, 'result', id, options),
    cancel: () => note(() => callWith<T>(id), 'cancelCall', id),
  })
  return {
    start: <T>(ref: string, args?: unknown[], options?: StartOptions) => note(() => started<T>('made-up'), 'start', ref, args, options),
    calls: {
      at: started,
      list: (namespace, limit) => note(() => answers.calls ?? [], 'calls', namespace, limit),
      deadCallbacks: (namespace, limit) => note(() => answers.callbacks ?? [], 'callbacks', namespace, limit),
      replayCallback: (id) => note(() => {}, 'replayCallback', id),
      removeCallback: (id) => note(() => {}, 'removeCallback', id),
    },
    call: <T>(ref: string, ...args: unknown[]) => note(() => answers.call as T, 'call', ref, ...args),
    once: (key) => ({ call: <T>(ref: string, ...args: unknown[]) => note(() => answers.call as T, 'once', key, ref, ...args) }),
    deploy: (deploy) =>
      note(
        () =>
          answers.deploy?.(deploy.name) ?? {
            namespace: deploy.namespace,
            name: deploy.name,
            version: 'e'.repeat(64),
            ordinal: 1,
            changed: true,
            routes: [],
            lostRoutes: [],
            warnings: [],
            receipt,
          },
        'deploy',
        deploy,
      ),
    publish: (topic, data, options) => note(() => ({ id: options?.id ?? 'made-up', subscribers: 1 }), 'publish', topic, data, options),
    topics: {
      subscriptions: (namespace) => note(() => answers.subscriptions ?? [], 'subscriptions', namespace),
      deadLetters: (namespace, limit) => note(() => answers.letters ?? [], 'letters', namespace, limit),
      deadLetter: (namespace, id) =>
        note(
          () => {
            const found = answers.letters?.find((each) => each.id === id)
            if (found === undefined) throw new OsirisError('not_found', 'Cannot find it')
            return { ...found, key: null, data: { n: 1 } }
          },
          'letter',
          namespace,
          id,
        ),
      replay: (namespace, id) => note(() => {}, 'replay', namespace, id),
      remove: (namespace, id) => note(() => {}, 'forget', namespace, id),
    },
    schedules: (namespace) => note(() => answers.schedules ?? [], 'schedules', namespace),
    nodes: () => note(() => answers.nodes ?? [], 'nodes'),
    rotateNode: (choice) =>
      note(
        () => ({ author: 'a'.repeat(64), to: 'b'.repeat(64), seq: 1, hash: 'c'.repeat(64), changed: true, holders: 1, catalogs: 1 }),
        'rotateNode',
        choice,
      ),
    drain: (options) => note(() => ({ calls: answers.left ?? 0 }), 'drain', options),
    joinToken: () => note(() => answers.joinToken ?? 'osiris1.x', 'joinToken'),
    network: () =>
      note(() => ({ universe: { name: 'test', id: '0'.repeat(16) }, peer: '', addresses: [], connections: [], members: [] }), 'network'),
    ledgerConflicts: () => note(() => answers.conflicts ?? { lost: [], voided: [], routes: [], frozen: [] }, 'conflicts'),
    ledgerRecords: (from) => note(() => ({ entries: [], heads: [], proofs: [], next: null }), 'records', from),
    succession: () => note(() => ({ genesis: null, keys: answers.keys ?? [] }), 'succession'),
    rotateRoot: (from, choice) => note(() => ({ from, to: 'b'.repeat(64), changed: true, receipt }), 'rotateRoot', from, choice),
    rotateKey: ({ from, to }, choice) => note(() => ({ from, to, changed: true, receipt }), 'rotateKey', from, choice),
    handIn: (entry) => note(() => ({ author: 'a', seq: 1, hash: 'h', changed: true, holders: 1, catalogs: 1 }), 'handIn', entry),
    ledger: (options) =>
      note(
        () => ({
          status: { viewDigest: '', functions: 0, entries: 0, heads: [], frozen: [], unproven: 0, refusedCheckpoints: [] },
          lines: [],
        }),
        'ledger',
        options,
      ),
    namespaces: {
      list: () => note(() => [], 'namespaces'),
      create: (name, owner) => note(() => receipt, 'create', name, owner),
      transfer: (name, owner) => note(() => receipt, 'transfer', name, owner),
    },
    grants: {
      list: (filter) => note(() => answers.grants ?? [], 'grants', filter),
      add: (grant) => note(() => receipt, 'add', grant),
      revoke: (hash) => note(() => receipt, 'revoke', hash),
    },
    domains: {
      list: () => note(() => answers.domains ?? [], 'domains'),
      verify: (host) => note(() => (answers.domains ?? []).filter((each) => each.host === host), 'verify', host),
      add: (domain) => note(() => receipt, 'domain', domain),
      remove: (host, namespace) => note(() => receipt, 'undomain', host, namespace),
    },
    quotas: {
      list: () => note(() => answers.quotas ?? [], 'quotas'),
      set: (namespace, quota) => note(() => receipt, 'quota', namespace, quota),
      clear: (namespace) => note(() => receipt, 'clear', namespace),
    },
    tokens: { revoke: (issuer, id) => note(() => receipt, 'cancel', issuer, id) },
    functions: {
      list: (namespace) => note(() => answers.functions ?? [], 'list', namespace),
      get: (ref) => note(() => (answers.canary === undefined ? detail() : canaryDetail(answers.canary)), 'get', ref),
      versions: (ref) => note(() => [], 'versions', ref),
      diff: (ref, from, to) =>
        note(
          () => answers.diff ?? { from: { version: '', ordinal: 1 }, to: { version: '', ordinal: 2 }, changes: [] },
          'diff',
          ref,
          from,
          to,
        ),
      canary: (ref, plan) => note(() => ({ promotion: answers.canary?.[0] ?? canary, receipt }), 'canary', ref, plan),
      abort: (ref) =>
        note(() => ({ promotion: { ...canary, state: 'aborted' as const, weight: 0, why: 'by hand' }, receipt }), 'abort', ref),
      promote: (ref, version, promotion, choice) => note(detail, 'promote', ref, version, promotion, choice),
      point: (ref, alias, target) => note(detail, 'point', ref, alias, target),
      rollback: (ref, to, choice) => note(detail, 'rollback', ref, to, choice),
      remove: (ref, choice) => note(() => receipt, 'remove', ref, choice),
      scale: (ref) => note(() => answers.scale ?? detail(), 'scale', ref),
      setScale: (ref, scale) => note(() => receipt, 'setScale', ref, scale),
    },
  }
}

export async function osiris(argv: string[], api: NodeApi = node(), env: Record<string, string> = {}) {
  let [out, err] = ['', '']
  const io: Io = {
    env: { OSIRIS_STATE: dir, XDG_CONFIG_HOME: dir, ...env },
    out: (text) => (out += text),
    err: (text) => (err += text),
    stdin: Readable.from([]),
    tty: false,
    cwd: dir,
    launcher: { command: '', args: [] },
    interrupted: () => new AbortController().signal,
  }
  const connect = (target: Target) => {
    targets.push(target)
    return Promise.resolve(api)
  }
  return { code: await runCommand(argv, io, { connect }), out, err }
}
