/**
 * From entries to what exists: per function, the facts in their total order, folded by a pure step. Any order of arrival ends in the same
 * state. A fact later than all others of its function (the usual case) costs one step; an earlier one folds that function again.
 */
import { versionOf, type Manifest } from '#protocols/manifest'
import type { AliasTargets } from '../catalog.ts'
import { type BodyOf, bodySchemas, type EntryType } from './bodies.ts'
import { comparePlaces, type Line, placeOf, type Place } from './entry.ts'

export interface Version {
  version: string
  ordinal: number
  publishedAt: number
  publishedBy: string
  author: string
  manifest: Manifest
}

/** What is known of one function. Never changed in place. */
export interface FunctionState {
  namespace: string
  name: string
  /** In order of first publication. */
  versions: readonly Version[]
  aliases: Readonly<Record<string, AliasTargets>>
  /** The entry that set each alias: what the next edit of it says it came after. */
  setBy: Readonly<Record<string, Place>>
  /** Not part of the view until the next publish; the versions stay, so that ordinals go on. Without versions there is no such function, nor was there. */
  retired: boolean
  /** The last entry that had an effect: what a caller is told when there is nothing to write. */
  last: Place
}

type Change =
  | { type: 'publish'; version: string; manifest: Manifest }
  | { type: 'point'; alias: string; targets: BodyOf<'point'>['targets'] }
  | { type: 'retire' }

/** One entry's effect on one function. */
export interface Fact {
  place: Place
  by: string
  namespace: string
  name: string
  change: Change
}

/** What an entry says about a function; `undefined` for other types, unknown types and bodies that do not fit. */
export function factOf(entry: Line): Fact | undefined {
  const common = { place: placeOf(entry), by: entry.by }
  if (entry.type === 'publish') {
    const manifest = bodyOf(entry, 'publish')?.manifest
    if (manifest === undefined) return undefined
    const { namespace, name } = manifest
    return { ...common, namespace, name, change: { type: 'publish', manifest, version: entry.known?.version ?? versionOf(manifest) } }
  }
  if (entry.type === 'point') {
    const body = bodyOf(entry, 'point')
    if (body === undefined) return undefined
    const { namespace, name, alias, targets } = body
    return { ...common, namespace, name, change: { type: 'point', alias, targets } }
  }
  if (entry.type === 'retire') {
    const body = bodyOf(entry, 'retire')
    return body && { ...common, namespace: body.namespace, name: body.name, change: { type: 'retire' } }
  }
  return undefined
}

export function bodyOf<T extends EntryType>(entry: Line, type: T): BodyOf<T> | undefined {
  if (entry.known !== undefined) return entry.known.fits ? (entry.body as BodyOf<T>) : undefined
  const result = bodySchemas[type].safeParse(entry.body)
  return result.success ? (result.data as BodyOf<T>) : undefined
}

/** One step. `undefined`: the function does not exist (yet), and the fact has no effect. */
export function step(state: FunctionState | undefined, fact: Fact): FunctionState | undefined {
  const { change } = fact
  switch (change.type) {
    case 'publish':
      return publish(state, fact, change)
    case 'point':
      return state === undefined || state.retired || !change.targets.every((target) => hasVersion(state, target.version))
        ? state
        : {
            ...state,
            aliases: { ...state.aliases, [change.alias]: change.targets },
            setBy: { ...state.setBy, [change.alias]: fact.place },
            last: fact.place,
          }
    case 'retire':
      return state === undefined || state.retired ? state : { ...state, aliases: {}, setBy: {}, retired: true, last: fact.place }
  }
}

function publish(state: FunctionState | undefined, fact: Fact, change: Change & { type: 'publish' }): FunctionState {
  const { version, manifest } = change
  const versions = state?.versions ?? []
  const known = state !== undefined && hasVersion(state, version)
  const added = () => ({
    version,
    ordinal: versions.length + 1,
    publishedAt: fact.place.wallMs,
    publishedBy: fact.by,
    author: fact.place.author,
    manifest,
  })
  return {
    namespace: fact.namespace,
    name: fact.name,
    versions: known ? versions : [...versions, added()],
    aliases: { ...state?.aliases, live: [{ version, weight: 100 }] },
    setBy: { ...state?.setBy, live: fact.place },
    retired: false,
    last: fact.place,
  }
}

function hasVersion(state: FunctionState, version: string): boolean {
  return state.versions.some((each) => each.version === version)
}

export function functionKey(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

interface Row {
  /** In total order. */
  facts: Fact[]
  /** Of the first `folded` facts. */
  state: FunctionState | undefined
  folded: number
  /** What `flush` last gave out. */
  told: FunctionState | undefined
}

/** The states of all functions. Facts go in one by one; `flush` folds what they touched, each function once. */
export class Fold {
  readonly #rows = new Map<string, Row>()
  readonly #touched = new Set<Row>()

  insert(fact: Fact): void {
    const key = functionKey(fact.namespace, fact.name)
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = { facts: [], state: undefined, folded: 0, told: undefined }
      this.#rows.set(key, row)
    }
    const at = positionOf(row.facts, fact.place)
    row.facts.splice(at, 0, fact)
    if (at < row.folded) {
      row.state = undefined
      row.folded = 0
    }
    this.#touched.add(row)
  }

  /** Takes out the facts of these places, as if they had never been: for good. */
  remove(isOut: (place: Place) => boolean): void {
    for (const row of this.#rows.values()) {
      const kept = row.facts.filter((fact) => !isOut(fact.place))
      if (kept.length === row.facts.length) continue
      Object.assign(row, { facts: kept, state: undefined, folded: 0 })
      this.#touched.add(row)
    }
  }

  /** States that are new since the last flush. */
  flush(): FunctionState[] {
    const changed: FunctionState[] = []
    for (const row of this.#touched) {
      for (; row.folded < row.facts.length; row.folded += 1) row.state = step(row.state, row.facts[row.folded] as Fact)
      const state = row.state ?? (row.told && { ...row.told, versions: [], aliases: {}, setBy: {}, retired: true })
      if (state !== undefined && state !== row.told) changed.push(state)
      row.told = row.state
    }
    this.#touched.clear()
    return changed
  }

  get(namespace: string, name: string): FunctionState | undefined {
    return this.#rows.get(functionKey(namespace, name))?.state
  }
}

/** Where a fact of this place belongs; the end is tried first. */
function positionOf(facts: Fact[], place: Place): number {
  const last = facts.at(-1)
  if (last === undefined || comparePlaces(last.place, place) < 0) return facts.length
  let low = 0
  let high = facts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (comparePlaces((facts[middle] as Fact).place, place) < 0) low = middle + 1
    else high = middle
  }
  return low
}
