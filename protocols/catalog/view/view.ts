/** The rows of the catalog in memory. Nothing here waits: a reference is resolved by map look-ups, and the same row is the same object. */
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef, LIVE, VERSION_PATTERN } from '#protocols/function'
import type { Random } from '#protocols/lifecycle'
import { pickTarget } from '#protocols/steering'
import type { FunctionRecord, LostRoute, RouteRecord, VersionRecord } from '../catalog.ts'
import { type Claim, NO_CLAIMS } from '../ledger/claims.ts'
import { compareText } from '../ledger/entry.ts'
import type { FunctionState, Version } from '../ledger/fold.ts'
import { type FunctionClaim, type Holders, settleRoutes } from './route-holders.ts'

interface Row {
  state: FunctionState
  /** Made when first asked for. */
  records: Map<string, FunctionRecord> | undefined
  /** The only version `live` means; none when it has weights. */
  live: Version | undefined
}

export class View {
  readonly #random: Random
  readonly #namespaces = new Map<string, Map<string, Row>>()
  #size = 0
  #holders: Holders | undefined

  constructor(init: { random: Random }) {
    this.#random = init.random
  }

  /** Functions that are not retired. */
  get size(): number {
    return this.#size
  }

  /** Takes over a function's new state. */
  set(state: FunctionState): void {
    const rows = this.#namespaces.get(state.namespace) ?? new Map<string, Row>()
    this.#namespaces.set(state.namespace, rows)
    const before = rows.get(state.name)
    if (!sameClaims(state.claims, before?.state.claims ?? NO_CLAIMS)) this.#holders = undefined
    if (state.retired) rows.delete(state.name)
    else rows.set(state.name, rowOf(state))
    this.#size += Number(!state.retired) - Number(before !== undefined)
    if (rows.size === 0) this.#namespaces.delete(state.namespace)
  }

  /** The record, or `undefined` when there is none. Throws `invalid_argument` for an ambiguous prefix. */
  find(ref: FunctionRef): FunctionRecord | undefined {
    const row = this.#namespaces.get(ref.namespace)?.get(ref.name)
    if (row === undefined) return undefined
    const version = ref.selector === undefined && row.live !== undefined ? row.live : selectVersion(row.state, ref, this.#random)
    return version === undefined ? undefined : recordOf(row, version)
  }

  /** The same, or the error of `missing`. */
  get(ref: FunctionRef): FunctionRecord {
    const record = this.find(ref)
    if (record === undefined) throw this.missing(ref)
    return record
  }

  /** The error that says which part of the reference is unknown. */
  missing(ref: FunctionRef): OsirisError {
    const rows = this.#namespaces.get(ref.namespace)
    const text = formatRef(ref)
    if (rows === undefined) return new OsirisError('not_found', `Cannot find "${text}": there is no namespace "${ref.namespace}"`)
    const row = rows.get(ref.name)
    if (row === undefined) {
      return new OsirisError('not_found', `Cannot find "${text}": namespace "${ref.namespace}" has no function "${ref.name}"`)
    }
    const count = row.state.versions.length
    return new OsirisError(
      'not_found',
      `Cannot find "${text}": the function has no version or alias "${ref.selector ?? LIVE}" (versions: ${count})`,
    )
  }

  list(filter: { namespace?: string }): FunctionRecord[] {
    const names = filter.namespace === undefined ? [...this.#namespaces.keys()].toSorted(compareText) : [filter.namespace]
    return names.flatMap((namespace) => {
      const rows = [...(this.#namespaces.get(namespace) ?? [])].toSorted(([a], [b]) => compareText(a, b))
      return rows.map(([, row]) => recordOf(row, liveOf(row.state)))
    })
  }

  /** All of them, in no order; made as they are taken, and not kept. */
  *all(): Generator<FunctionRecord> {
    for (const rows of this.#namespaces.values())
      for (const row of rows.values()) {
        const live = liveOf(row.state)
        yield row.records?.get(live.version) ?? madeOf(row, live)
      }
  }

  /** Oldest first; `undefined` when there is no such function. */
  versions(namespace: string, name: string): VersionRecord[] | undefined {
    const state = this.state(namespace, name)
    return state?.versions.map(({ version, ordinal, publishedAt, publishedBy, author, manifest }) => {
      const aliases = Object.keys(state.aliases).filter((alias) => state.aliases[alias]?.some((target) => target.version === version))
      return { version, ordinal, publishedAt, publishedBy, author, aliases: aliases.toSorted(compareText), manifest }
    })
  }

  state(namespace: string, name: string): FunctionState | undefined {
    return this.#namespaces.get(namespace)?.get(name)?.state
  }

  /** By route, namespace and name: the same order on every node. */
  routes(): readonly RouteRecord[] {
    return this.#settled().held
  }

  /** Routes that functions ask for and do not hold, in the same order. */
  lostRoutes(): readonly LostRoute[] {
    return this.#settled().lost
  }

  /** All functions, in no order. */
  *states(): Generator<FunctionState> {
    for (const rows of this.#namespaces.values()) for (const { state } of rows.values()) yield state
  }

  #settled(): Holders {
    this.#holders ??= settleRoutes(this.#claims())
    return this.#holders
  }

  *#claims(): Iterable<FunctionClaim> {
    for (const [namespace, rows] of this.#namespaces)
      for (const [name, { state }] of rows) for (const claim of state.claims) yield { ...claim, namespace, name }
  }
}

function rowOf(state: FunctionState): Row {
  const live = state.aliases[LIVE]
  return { state, records: undefined, live: live?.length === 1 ? versionIn(state, live[0]?.version ?? '') : undefined }
}

function sameClaims(a: readonly Claim[], b: readonly Claim[]): boolean {
  return a === b || (a.length === b.length && a.every((each, at) => each.route === b[at]?.route && each.since.hash === b[at].since.hash))
}

function versionIn(state: FunctionState, version: string): Version | undefined {
  return state.versions.findLast((each) => each.version === version)
}

/** An alias, an ordinal, a version, or a prefix of exactly one version. */
function selectVersion(state: FunctionState, ref: FunctionRef, random: Random): Version | undefined {
  const selector = ref.selector ?? LIVE
  const targets = Object.hasOwn(state.aliases, selector) ? state.aliases[selector] : undefined
  if (targets !== undefined) return versionIn(state, pickTarget(targets, random))
  if (/^v[1-9]\d{0,15}$/.test(selector)) return state.versions[Number(selector.slice(1)) - 1]
  if (VERSION_PATTERN.test(selector)) return versionIn(state, selector)
  if (!/^[0-9a-f]{8,63}$/.test(selector)) return undefined
  const matching = state.versions.filter((each) => each.version.startsWith(selector))
  if (matching.length <= 1) return matching[0]
  throw new OsirisError(
    'invalid_argument',
    `Cannot resolve "${formatRef(ref)}": ${matching.length} versions begin with "${selector}", use more characters`,
  )
}

function liveOf(state: FunctionState): Version {
  const [heaviest] = [...(state.aliases[LIVE] ?? [])].toSorted((a, b) => b.weight - a.weight)
  return versionIn(state, heaviest?.version ?? '') ?? (state.versions.at(-1) as Version)
}

function recordOf(row: Row, version: Version): FunctionRecord {
  row.records ??= new Map()
  const known = row.records.get(version.version)
  if (known !== undefined) return known
  const record = madeOf(row, version)
  row.records.set(version.version, record)
  return record
}

function madeOf(row: Row, version: Version): FunctionRecord {
  const { namespace, name, aliases, versions } = row.state
  return Object.freeze({
    namespace,
    name,
    version: version.version,
    ordinal: version.ordinal,
    manifest: version.manifest,
    aliases,
    versions: versions.length,
    publishedAt: version.publishedAt,
    publishedBy: version.publishedBy,
    ...(version.asker === undefined ? {} : { asker: version.asker }),
    author: version.author,
  })
}
