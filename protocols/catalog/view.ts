/** The rows of the catalog in memory. Nothing here waits: a reference is resolved by map look-ups, and the same row is the same object. */
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef, LIVE, VERSION_PATTERN } from '#protocols/function'
import type { Random } from '#protocols/lifecycle'
import { pickTarget } from '#protocols/steering'
import type { FunctionRecord, RouteRecord, VersionRecord } from './catalog.ts'
import { compareText } from './ledger/entry.ts'
import type { FunctionState, Version } from './ledger/fold.ts'

interface Row {
  state: FunctionState
  /** Made when first asked for. */
  records: Map<string, FunctionRecord> | undefined
  /** The only version `live` means; none when it has weights. */
  live: Version | undefined
  routes: readonly string[]
}

const NO_ROUTES: readonly string[] = Object.freeze([])

export class View {
  readonly #random: Random
  readonly #namespaces = new Map<string, Map<string, Row>>()
  #size = 0
  #routes: readonly RouteRecord[] | undefined

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
    const routes = state.retired ? NO_ROUTES : routesOf(state)
    if (!sameRoutes(routes, before?.routes ?? NO_ROUTES)) this.#routes = undefined
    if (state.retired) rows.delete(state.name)
    else rows.set(state.name, rowOf(state, routes))
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
    this.#routes ??= this.#collectRoutes()
    return this.#routes
  }

  #collectRoutes(): RouteRecord[] {
    const all: RouteRecord[] = []
    for (const [namespace, rows] of this.#namespaces) {
      for (const [name, row] of rows) for (const route of new Set(row.routes)) all.push({ route, namespace, name })
    }
    return all.toSorted((a, b) => compareText(a.route, b.route) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name))
  }
}

function rowOf(state: FunctionState, routes: readonly string[]): Row {
  const live = state.aliases[LIVE]
  return { state, records: undefined, routes, live: live?.length === 1 ? versionIn(state, live[0]?.version ?? '') : undefined }
}

function routesOf(state: FunctionState): readonly string[] {
  const live = state.aliases[LIVE] ?? []
  if (live.length === 1) return versionIn(state, live[0]?.version ?? '')?.manifest.settings.routes ?? NO_ROUTES
  return live.flatMap((target) => versionIn(state, target.version)?.manifest.settings.routes ?? NO_ROUTES)
}

function sameRoutes(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at])
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
  const { namespace, name, aliases, versions } = row.state
  const record: FunctionRecord = Object.freeze({
    namespace,
    name,
    version: version.version,
    ordinal: version.ordinal,
    manifest: version.manifest,
    aliases,
    versions: versions.length,
    publishedAt: version.publishedAt,
    publishedBy: version.publishedBy,
    author: version.author,
  })
  row.records.set(version.version, record)
  return record
}
