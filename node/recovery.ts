/** Signing rotations on a machine that is no node: what a node says is checked, what is signed is a rotation that every node can judge. */
import type { Identity } from '#protocols/access'
import { checkSuccession, openRotation, signGiving, signRotation, universeOfSuccession } from '#protocols/catalog'
import { type GivingText, type SuccessionText, successionOfText, textOfGiving } from '#protocols/management'

/** A rotation as it is handed in. */
export interface SignedRotation {
  bytes: Uint8Array
  author: string
  seq: number
  hash: string
  from: string
  to: string
  pin: number
}

/** What signatures show of a node's answer, and the way to sign what comes next. Throws `invalid_argument`, `forbidden`, `unavailable`. */
export function prepareRecovery(said: SuccessionText, recovery: Identity) {
  const checked = checkSuccession(successionOfText(said), recovery.id)
  return {
    universe: checked.universe,
    /** The seq of the recovery key's next entry. */
    next: (checked.last?.seq ?? 0) + 1,
    roots: checked.roots.map(({ key, last }) => ({ key, last: last?.seq })),
    sign: (to: Identity, from: string, pin: number, nowMs: number) =>
      openSigned(signRotation(checked, { recovery, to, from, pin, nowMs }).bytes),
  }
}

/** What gives a person's key on in the universe that a node belongs to. Throws `invalid_argument`, `unavailable`. */
export function signGivingFor(said: SuccessionText, from: Identity, to: Identity): GivingText {
  return textOfGiving(signGiving(from, to, universeOfSuccession(successionOfText(said))))
}

/** Throws `invalid_argument` for what is none. */
export function openSigned(bytes: Uint8Array): SignedRotation {
  const { entry, ...said } = openRotation(bytes)
  return { bytes, author: entry.author, seq: entry.seq, hash: entry.hash, ...said }
}
