/** The transport over roles, wherever they live: what a peer does where an HTTP client sends a request. */
import type { Builder } from '#protocols/builder'
import { type Catalog, grantsWhere } from '#protocols/catalog'
import { domainClaims, domainRecord } from '#protocols/domain'
import { OsirisError } from '#protocols/errors'
import type { FunctionRef } from '#protocols/function'
import type { Caller, FetchPayload, Invocation, Invoker, Outcome, Payload } from '#protocols/invocation'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import { TIMEOUT_MS_MAX } from '#protocols/manifest'
import {
  byName,
  Functions,
  namespacesOf,
  networkOf,
  nodeOf,
  quotaSummaries,
  scaleSummary,
  textOfRecords,
  givingOfText,
  textOfSuccession,
} from '#protocols/management'
import type { Network } from '#protocols/network'
import { type Calls, type Schedule, textOfCall, type Topics } from '#protocols/router'
import { universeId } from '#protocols/access'
import { IDEMPOTENCY_HEADER, idempotencyKeyOf, mayHaveEffect } from '#protocols/idempotency'
import { steer, type Steering, STICKY_HEADER, VERSION_HEADER } from '#protocols/steering'
import { responseOf, streamOfRequest } from './mesh-fetch.ts'
import type { CallStatus } from './osiris.ts'
import type { CallOptions, Transport } from './transport.ts'

const BUILD_TIMEOUT_MS = 60_000
const WRITE_TIMEOUT_MS = 10_000

export interface MeshParts {
  router: Invoker
  topics: Topics
  calls: Calls
  catalog: Catalog
  builder: Builder
  network: Pick<Network, 'peer' | 'members' | 'addresses' | 'connections'>
  universe: { name: string; root: string }
  caller: Caller
  /** What the client came in by, without anybody's rights. */
  joinToken: string
  schedules: (namespace?: string) => MaybePromise<Schedule[]>
  clock: Clock
  /** Bound of each call; default: the longest timeout a function may have. */
  timeoutMs?: number
  /** Ends what was started for this. */
  stop(): Promise<void>
}

export function meshTransport(parts: MeshParts): Transport {
  const { router, topics, calls, catalog, builder, network, universe, caller, clock } = parts
  const functions = new Functions({
    ...{ catalog, builder, clock, random: Math.random },
    ...{ buildTimeoutMs: BUILD_TIMEOUT_MS, writeTimeoutMs: WRITE_TIMEOUT_MS },
  })
  const invocationOf = (target: FunctionRef, payload: Payload): Invocation => ({
    ...{ id: invocationId(), target, payload, caller, hops: 0, depth: 0 },
    deadlineAt: clock.monotonic() + (parts.timeoutMs ?? TIMEOUT_MS_MAX),
  })
  const invoke = (target: FunctionRef, payload: Payload, signal?: AbortSignal, steering: Steering & CallOptions = {}): Promise<Outcome> =>
    router.invoke({ ...steering, ...invocationOf(target, payload), ...(signal === undefined ? {} : { signal }) })

  return {
    async call(ref, args, { idempotencyKey } = {}) {
      const key = idempotencyKeyOf(idempotencyKey)
      const payload = { kind: 'call', args: new TextEncoder().encode(args) } as const
      const outcome = await invoke(ref, payload, undefined, key === undefined ? {} : { idempotencyKey: key })
      if (outcome.kind === 'failed') throw outcome.error
      if (outcome.kind === 'value') return new TextDecoder().decode(outcome.value)
      throw new OsirisError('internal', `Cannot call "${ref.namespace}/${ref.name}": the router answered a call with a response`)
    },
    async fetch(ref, request) {
      const payload: FetchPayload = {
        kind: 'fetch',
        method: request.method,
        url: request.url,
        headers: [...request.headers].filter(([name]) => name !== STICKY_HEADER && name !== VERSION_HEADER),
      }
      const steering: Steering & CallOptions = {}
      const key = mayHaveEffect(request.method) ? idempotencyKeyOf(request.headers.get(IDEMPOTENCY_HEADER)) : undefined
      if (key !== undefined) steering.idempotencyKey = key
      steer(steering, request.headers.get(STICKY_HEADER), request.headers.get(VERSION_HEADER))
      const body = request.body === null ? {} : { body: streamOfRequest(request.body) }
      return responseOf(await invoke(ref, { ...payload, ...body }, request.signal, steering))
    },
    start: (ref, args, options) =>
      calls.submit({ ...options, invocation: invocationOf(ref, { kind: 'call', args: new TextEncoder().encode(args) }) }),
    calls: {
      get: async (id, waitMs = 0) => statusOf(await calls.get(id, caller, { waitMs })),
      cancel: async (id) => statusOf(await calls.cancel(id, caller)),
      list: (namespace, limit) => calls.list(namespace, limit, caller),
      deadCallbacks: (namespace, limit) => calls.deadCallbacks(namespace, limit, caller),
      decideCallback: (decision, id) => calls.decideCallback(decision, id, caller),
    },
    publish: (ref, data, options) => topics.publish({ ...ref, ...options, data: new TextEncoder().encode(data) }, caller),
    topics: {
      subscriptions: (namespace) => topics.subscriptions(namespace, caller),
      deadLetters: (namespace, limit = 100) => topics.deadLetters(namespace, limit, caller),
      async deadLetter(namespace, id) {
        const letter = await topics.deadLetter(namespace, id, caller)
        return { ...letter, data: JSON.parse(letter.data) as unknown }
      },
      replay: (namespace, id) => topics.replay(namespace, id, caller),
      remove: (namespace, id) => topics.remove(namespace, id, caller),
    },
    deploy: (deploy) => functions.deploy(deploy, caller),
    list: (namespace) => functions.list(namespace === undefined ? {} : { namespace }),
    get: (ref) => functions.get(ref),
    versions: (ref) => functions.versions(ref.namespace, ref.name),
    point: (ref, alias, targets, choice) => functions.point(ref, alias, targets, caller, choice),
    startCanary: (ref, plan, choice) => functions.startCanary(ref, plan, caller.subject, caller, choice),
    abortCanary: (ref, choice) => functions.abortCanary(ref, caller, choice),
    remove: (ref, choice) => functions.remove(ref, caller, choice),
    async namespaces() {
      const [records, powers] = await Promise.all([catalog.list({}), catalog.powers()])
      return namespacesOf(records, powers.namespaces)
    },
    scale: async (ref) => scaleSummary(await catalog.get(ref), await catalog.settings()),
    quotas: async () => quotaSummaries(await catalog.settings()),
    domains: async (verify) =>
      domainClaims(await catalog.settings())
        .filter(({ host }) => verify === undefined || host === verify)
        // A peer without a door asks no DNS: only what is granted is known to count.
        .map((claim) => ({ ...claim, counts: claim.isGranted, record: domainRecord(claim, universeId(universe)) })),
    grants: async (filter) => grantsWhere((await catalog.powers()).grants, filter),
    amend: (change, { ack = 'committed', timeoutMs = WRITE_TIMEOUT_MS }) => catalog.amend(change, { caller, ack, timeoutMs }),
    schedules: async (namespace) => parts.schedules(namespace),
    rotateNode: () =>
      Promise.reject(new OsirisError('invalid_argument', "Cannot rotate a node's key over P2P: ask the node itself, over HTTP")),
    drain: () => Promise.reject(new OsirisError('invalid_argument', 'Cannot drain a node over P2P: ask the node itself, over HTTP')),
    nodes: async () => byName(network.members.list().map(nodeOf)),
    joinToken: async () => parts.joinToken,
    network: async () => networkOf({ name: universe.name, id: universeId(universe) }, network),
    async ledger({ after, limit = 100 }) {
      const [status, lines] = await Promise.all([catalog.status(), catalog.log({ limit, ...(after === undefined ? {} : { after }) })])
      return { status, lines }
    },
    ledgerConflicts: async () => catalog.conflicts(),
    ledgerRecords: async (from) => textOfRecords(await catalog.records(from)),
    succession: async () => textOfSuccession(await catalog.succession.tell('')),
    handIn: (entry) => catalog.succession.handIn(new Uint8Array(Buffer.from(entry, 'base64')), ''),
    rotateRoot: (from, { ack = 'committed', timeoutMs = WRITE_TIMEOUT_MS }) => catalog.succession.rotate({ caller, ack, timeoutMs, from }),
    rotateKey: (giving, { ack = 'committed', timeoutMs = WRITE_TIMEOUT_MS }) =>
      catalog.succession.give(givingOfText(giving), '', { ack, timeoutMs }),
    close: () => parts.stop(),
  }
}

/** With the value instead of its text. */
function statusOf(status: Awaited<ReturnType<Calls['get']>>): CallStatus {
  return JSON.parse(textOfCall(status)) as CallStatus
}

function invocationId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
