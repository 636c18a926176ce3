/** Signing a rotation away from any node: what a node says is checked by the signatures in it. Pure. */
import type { Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Giving, Succession } from '../catalog.ts'
import { agreeToRotation, giveOn } from './authority-facts.ts'
import { bodyOf } from './bodies.ts'
import { type Entry, openEntry, Refusal, signEntry } from './entry.ts'
import { HLC_ZERO, observe, tick } from './hlc.ts'

/** What a node said, as far as signatures show that it is so. That it left nothing out at the end of a feed is its word. */
export interface CheckedSuccession {
  universe: string
  /** The root's key and those that took over from it, the last of which holds the root; with the last entry of each. */
  roots: { key: string; last: Entry | undefined }[]
  /** Of the recovery key. */
  last: Entry | undefined
}

/** Throws `invalid_argument` for what does not hold, `forbidden` where `recovery` is not the key of this universe that may recover it. */
export function checkSuccession(said: Succession, recovery: string): CheckedSuccession {
  const { genesis, body } = genesisIn(said)
  const own = said.keys.find((each) => each.key === recovery && each.of === 'recovery')
  if (own === undefined || (said.keys.filter((each) => each.of === 'recovery').length === 1 && body.recovery !== recovery))
    throw new OsirisError(
      'forbidden',
      `${ACT}: ${recovery.slice(0, 8)} is not the recovery key of universe ${genesis.universe}, ${body.recovery === null ? 'which was founded without one' : `that is ${body.recovery.slice(0, 8)}`}`,
    )
  const lastOf = ({ key, last }: Succession['keys'][number]) => {
    if (last === null) return undefined
    const entry = opened(last)
    if (entry.author === key && entry.universe === genesis.universe) return entry
    throw contradiction(`what it gives as the last entry of ${key.slice(0, 8)} is another's`)
  }
  const roots = said.keys.filter((each) => each.of === 'root').map((each) => ({ key: each.key, last: lastOf(each) }))
  if (roots[0]?.key !== body.root) throw contradiction('the root it names is not that of the genesis')
  return { universe: genesis.universe, roots, last: lastOf(own) }
}

export interface Rotating {
  recovery: Identity
  /** The key that takes over. */
  to: Identity
  /** The key that ends. */
  from: string
  /** The last entry of `from` that counts. */
  pin: number
  nowMs: number
}

/** The recovery key's next entry: `to` takes over from `from`. Behind everything the pinned feed says, so that this stands. */
export function signRotation({ universe, roots, last }: CheckedSuccession, { recovery, to, from, pin, nowMs }: Rotating): Entry {
  const seen = [last, ...roots.map((each) => each.last)].flatMap((each) => (each === undefined ? [] : [each.hlc]))
  const hlc = tick(
    seen.reduce((latest, each) => observe(latest, each), HLC_ZERO),
    nowMs,
  )
  const place = { format: 1 as const, universe, author: recovery.id, seq: (last?.seq ?? 0) + 1, prev: last?.hash ?? null }
  const body = { from, to: to.id, seq: pin, proof: agreeToRotation(to, universe, from) }
  return signEntry(recovery, { ...place, hlc, type: 'rotate', body, by: 'recovery', grant: null })
}

/** Which universe it is, by its genesis. Throws `invalid_argument`, `unavailable`. */
export function universeOfSuccession(said: Succession): string {
  return genesisIn(said).genesis.universe
}

/** By both keys, for one universe: `to` takes over what `from` holds there. */
export function signGiving(from: Identity, to: Identity, universe: string): Giving {
  return { from: from.id, to: to.id, proof: agreeToRotation(to, universe, from.id), given: giveOn(from, universe, to.id) }
}

/** A rotation that was signed before. Throws `invalid_argument`. */
export function openRotation(bytes: Uint8Array): { entry: Entry; from: string; to: string; pin: number } {
  const entry = opened(bytes)
  const body = bodyOf(entry, 'rotate')
  if (body === undefined) throw contradiction('what was saved is no rotation')
  return { entry, from: body.from, to: body.to, pin: body.seq }
}

const ACT = 'Cannot sign the rotation'

function genesisIn({ genesis: bytes }: Succession) {
  if (bytes === null) throw new OsirisError('unavailable', `${ACT}: the node has no genesis yet; ask another one`)
  const genesis = opened(bytes)
  const body = bodyOf(genesis, 'genesis')
  if (body === undefined || body.root !== genesis.author || genesis.seq !== 1) throw contradiction('its genesis is none')
  return { genesis, body }
}

function opened(bytes: Uint8Array): Entry {
  try {
    return openEntry(bytes)
  } catch (error) {
    if (error instanceof Refusal) throw contradiction(error.message)
    throw error
  }
}

function contradiction(what: string): OsirisError {
  return new OsirisError('invalid_argument', `${ACT}: ${what}`)
}
