/** Osiris over any transport: what both ways have in common. */
import { domainSetting, parseDomain } from '#protocols/domain'
import { OsirisError } from '#protocols/errors'
import { assertName, formatRef, type FunctionRef, LIVE, parseRef } from '#protocols/function'
import { parseTopicRef } from '#protocols/topic'
import { callsOver, startOptions } from './calls.ts'
import { diffVersions } from './diff.ts'
import { createNamespace } from './namespace.ts'
import { promoted } from '#protocols/promotion'
import type {
  DomainsOfOsiris,
  FunctionsOfOsiris,
  GrantsOfOsiris,
  NamespaceFunctions,
  NamespacesOfOsiris,
  Osiris,
  QuotasOfOsiris,
  SelectorTargets,
  StartOptions,
} from './osiris.ts'
import type { Transport } from './transport.ts'

export function createClient(transport: Transport): Osiris {
  const call = async <T>(ref: string, ...args: unknown[]): Promise<T> =>
    JSON.parse(await transport.call(parseRef(ref), textOf(ref, args))) as T
  const calls = callsOver(transport)
  return {
    call,
    once: (idempotencyKey) => ({
      call: async <T>(ref: string, ...args: unknown[]) =>
        JSON.parse(await transport.call(parseRef(ref), textOf(ref, args), { idempotencyKey })) as T,
    }),
    start: async <T>(ref: string, args: unknown[] = [], options: StartOptions = {}) =>
      calls.at<T>((await transport.start(parseRef(ref), textOf(ref, args), startOptions(ref, options))).id),
    fetch: async (ref, input, init) => transport.fetch(parseRef(ref), new Request(input, init)),
    namespace<T>(namespace: string): NamespaceFunctions<T> {
      assertName(namespace, 'a namespace')
      return createNamespace<T>((name, args) => call(`${namespace}/${name}`, ...args))
    },
    deploy: async (deploy) => transport.deploy(deploy),
    publish: async (topic, data, options = {}) => transport.publish(parseTopicRef(topic), dataOf(topic, data), options),
    functions: functionsOver(transport),
    topics: transport.topics,
    calls,
    namespaces: namespacesOver(transport),
    grants: grantsOver(transport),
    quotas: quotasOver(transport),
    domains: domainsOver(transport),
    tokens: { revoke: (issuer, token, choice = {}) => transport.amend({ type: 'cancel', issuer, token }, choice) },
    schedules: (namespace) => transport.schedules(namespace),
    nodes: () => transport.nodes(),
    rotateNode: (choice = {}) => transport.rotateNode(choice),
    drain: ({ timeoutMs } = {}) => transport.drain(timeoutMs),
    network: () => transport.network(),
    joinToken: () => transport.joinToken(),
    ledger: (options = {}) => transport.ledger(options),
    ledgerConflicts: () => transport.ledgerConflicts(),
    ledgerRecords: (from) => transport.ledgerRecords(from),
    succession: () => transport.succession(),
    handIn: (entry) => transport.handIn(entry),
    rotateRoot: (from, choice = {}) => transport.rotateRoot(from, choice),
    rotateKey: (giving, choice = {}) => transport.rotateKey(giving, choice),
    close: () => transport.close(),
  }
}

function functionsOver(transport: Transport): FunctionsOfOsiris {
  const point: FunctionsOfOsiris['point'] = async (ref, alias, target, choice = {}) => {
    const targets: SelectorTargets = typeof target === 'string' ? [{ version: target, weight: 100 }] : target
    return transport.point(wholeOf(ref), alias, targets, choice)
  }
  return {
    list: (namespace) => transport.list(namespace),
    get: async (ref) => transport.get(parseRef(ref)),
    versions: async (ref) => transport.versions(wholeOf(ref)),
    point,
    diff: async (ref, from, to) => diffVersions(ref, await transport.versions(wholeOf(ref)), from, to),
    async promote(ref, selector, { weight = 100, alias = LIVE } = {}, choice) {
      const whole = wholeOf(ref)
      const { version, aliases } = await transport.get({ ...whole, selector })
      return point(ref, alias, promoted(aliases[alias] ?? [], version, weight), choice)
    },
    canary: async (ref, plan, choice = {}) => transport.startCanary(wholeOf(ref), plan, choice),
    abort: async (ref, choice = {}) => transport.abortCanary(wholeOf(ref), choice),
    rollback: async (ref, to, choice) => point(ref, LIVE, to ?? (await versionBefore(transport, wholeOf(ref))), choice),
    remove: async (ref, choice = {}) => transport.remove(wholeOf(ref), choice),
    scale: async (ref) => transport.scale(wholeOf(ref)),
    setScale: async (ref, scale, choice = {}) => {
      const { namespace, name } = wholeOf(ref)
      const said = Object.entries(scale).filter(([, each]) => each !== undefined)
      const value = said.length === 0 ? null : JSON.stringify(Object.fromEntries(said))
      return transport.amend({ type: 'set', namespace, key: `scale/${name}`, value }, choice)
    },
  }
}

function namespacesOver(transport: Transport): NamespacesOfOsiris {
  return {
    list: () => transport.namespaces(),
    create: (namespace, owner, choice = {}) => transport.amend({ type: 'create', namespace, owner }, choice),
    transfer: (namespace, owner, choice = {}) => transport.amend({ type: 'transfer', namespace, owner }, choice),
  }
}

function quotasOver(transport: Transport): QuotasOfOsiris {
  return {
    list: () => transport.quotas(),
    set: (namespace, quota, choice = {}) => transport.amend({ type: 'set', namespace, key: 'quota', value: JSON.stringify(quota) }, choice),
    clear: (namespace, choice = {}) => transport.amend({ type: 'set', namespace, key: 'quota', value: null }, choice),
  }
}

function domainsOver(transport: Transport): DomainsOfOsiris {
  return {
    list: () => transport.domains(),
    verify: async (host) => transport.domains(parseDomain(host)),
    add: async ({ host, namespace, name = null, granted = false }, choice = {}) =>
      transport.amend({ type: 'set', ...domainSetting({ host, namespace, name }, granted) }, choice),
    remove: async (host, namespace, choice = {}) => {
      const { key } = domainSetting({ host, namespace, name: null }, false)
      return transport.amend({ type: 'set', namespace, key, value: null }, choice)
    },
  }
}

function grantsOver(transport: Transport): GrantsOfOsiris {
  return {
    list: (filter = {}) => transport.grants(filter),
    add: ({ key, can, namespaces, expiresAtMs = null }, choice = {}) =>
      transport.amend({ type: 'grant', subject: key, can, namespaces, expiresAtMs }, choice),
    revoke: (grant, choice = {}) => transport.amend({ type: 'revoke', grant }, choice),
  }
}

async function versionBefore(transport: Transport, ref: FunctionRef): Promise<string> {
  const versions = await transport.versions(ref)
  const live = versions.findLastIndex(({ aliases }) => aliases.includes(LIVE))
  const before = versions[live - 1]
  if (before !== undefined) return before.version
  throw new OsirisError(
    'conflict',
    `Cannot roll back "${formatRef(ref)}": no version was published before the live one (versions: ${versions.length})`,
  )
}

/** A function as a whole: a selector has no meaning there. */
function wholeOf(text: string): FunctionRef {
  const ref = parseRef(text)
  if (ref.selector === undefined) return ref
  throw new OsirisError(
    'invalid_argument',
    `Cannot use "${text}" here: it names one version, and all of the function is meant; write "${ref.namespace}/${ref.name}"`,
  )
}

function textOf(ref: string, args: unknown[]): string {
  if (!Array.isArray(args)) throw new OsirisError('invalid_argument', `Cannot call "${ref}": its arguments are no array`)
  try {
    return JSON.stringify(args)
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot call "${ref}": its arguments are not JSON (${(error as Error).message})`, {
      cause: error,
    })
  }
}

function dataOf(topic: string, data: unknown): string {
  const act = `Cannot publish to "${topic}"`
  try {
    const text = data === undefined ? 'null' : (JSON.stringify(data) as string | undefined)
    if (text !== undefined) return text
  } catch (error) {
    throw new OsirisError('invalid_argument', `${act}: the data is not JSON (${(error as Error).message})`, { cause: error })
  }
  throw new OsirisError('invalid_argument', `${act}: the data is a ${typeof data}`)
}
