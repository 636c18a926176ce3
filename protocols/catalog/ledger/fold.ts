/**
 * From entries to what exists: per function, the facts in their total order that authority lets count, folded by a pure step. Any order of arrival
 * ends in the same state.
 */
import { LIVE } from '#protocols/function'
import { versionOf, type Manifest } from '#protocols/manifest'
import type { AliasTargets } from '../catalog.ts'
import { askedBy } from './asker.ts'
import { type BodyOf, bodyOf } from './bodies.ts'
import { type Claim, claimsAfter, NO_CLAIMS } from './claims.ts'
import { type Line, placeOf, type Place } from './entry.ts'
import { type Judge, type JudgedFact, Rows } from './rows.ts'
import { Shared } from './shared.ts'

export interface Version {
  version: string
  ordinal: number
  publishedAt: number
  publishedBy: string
  /** The key whose token asked for it. */
  asker?: string | undefined
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
  /** The routes its live versions ask for; which of them it holds depends on other functions (`route-holders.ts`). */
  claims: readonly Claim[]
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
export interface Fact extends JudgedFact {
  by: string
  /** Of what is published. */
  asker?: string | undefined
  name: string
  /** The entry its author saw as the last before. */
  after: string | null
  change: Change
}

/** What an entry says about a function; `undefined` for other types, unknown types and bodies that do not fit. */
export function factOf(entry: Line, place: Place = placeOf(entry), shared: Shared = new Shared()): Fact | undefined {
  const common = { place, basis: entry.grant === null ? null : shared.text(entry.grant), by: shared.text(askedBy(entry.by, entry.asker)) }
  if (entry.type === 'publish') {
    const body = bodyOf(entry, 'publish')
    if (body === undefined) return undefined
    const manifest = shared.manifest(body.manifest)
    const { namespace, name } = manifest
    const change = { type: 'publish' as const, version: entry.known?.version ?? versionOf(manifest), manifest }
    const asker = entry.asker === undefined ? undefined : shared.text(entry.asker.key)
    return { place, basis: common.basis, namespace, by: common.by, asker, name, after: body.after, change }
  }
  if (entry.type === 'point') {
    const body = bodyOf(entry, 'point')
    if (body === undefined) return undefined
    const { namespace, name, alias, targets, after } = body
    return { ...common, namespace, name, after, change: { type: 'point', alias, targets } }
  }
  if (entry.type === 'retire') {
    const body = bodyOf(entry, 'retire')
    return body && { ...common, ...body, change: { type: 'retire' } }
  }
  return undefined
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
            claims: change.alias === LIVE ? claimsAfter(state.claims, manifestsOf(state, change.targets), fact.place) : state.claims,
            setBy: { ...state.setBy, [change.alias]: fact.place },
            last: fact.place,
          }
    case 'retire':
      return state === undefined || state.retired
        ? state
        : { ...state, aliases: {}, setBy: {}, claims: NO_CLAIMS, retired: true, last: fact.place }
  }
}

function manifestsOf({ versions }: FunctionState, targets: AliasTargets): Manifest[] {
  return targets.flatMap((target) => versions.find((each) => each.version === target.version)?.manifest ?? [])
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
    asker: fact.asker,
    author: fact.place.author,
    manifest,
  })
  return {
    namespace: fact.namespace,
    name: fact.name,
    versions: known ? versions : [...versions, added()],
    aliases: { ...state?.aliases, live: [{ version, weight: 100 }] },
    setBy: { ...state?.setBy, live: fact.place },
    claims: claimsAfter(state?.claims ?? NO_CLAIMS, [manifest], fact.place),
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

/** The states of all functions. Facts go in one by one; `flush` folds what they touched, each function once. */
export class Fold {
  readonly #rows: Rows<Fact, FunctionState>

  constructor(judge: Judge) {
    this.#rows = new Rows({ judge, step })
  }

  insert(fact: Fact): void {
    this.#rows.insert(functionKey(fact.namespace, fact.name), fact)
  }

  /** Takes out the facts of these places, as if they had never been: for good. */
  remove(isOut: (place: Place) => boolean): void {
    this.#rows.remove(isOut)
  }

  /** Judges again what authority says otherwise than before. */
  rejudge(): void {
    this.#rows.rejudge()
  }

  /** States that are new since the last flush. */
  flush(): FunctionState[] {
    return this.#rows.flush().flatMap(({ before, after }) => after ?? (before && nothing(before)) ?? [])
  }

  get(namespace: string, name: string): FunctionState | undefined {
    return this.#rows.get(functionKey(namespace, name))
  }
}

/** Of a function that is none any more: what was written about it has no effect. */
function nothing(before: FunctionState): FunctionState {
  return { ...before, versions: [], aliases: {}, setBy: {}, claims: NO_CLAIMS, retired: true }
}
