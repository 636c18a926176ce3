/**
 * How many entries without effect a member may bring of its own feed. They cannot be refused for good: whether an entry has an effect may change when an older
 * one comes late, and a node that refused what another took could never follow that feed again. So it is a rate, at the door and for the author itself: what other
 * members bring they took at this rate. In a universe of N catalogs a feed grows by at most N times it, until its author is banned.
 */
import type { Clock } from '#protocols/lifecycle'
import { type Peer, peerOf } from '#protocols/network'
import { Allowance } from './allowance.ts'
import { type Entry, Refusal } from './ledger/entry.ts'
import type { Ledger } from './ledger/ledger.ts'
import { isVoid } from './ledger/void.ts'

/** About a thousand entries: more than an honest node writes before it hears that its grant was revoked. */
export const VOID_BYTES_MAX = 1024 * 1024
/** 22 MB a day. */
export const VOID_BYTES_PER_SECOND = 256

export class VoidBound {
  readonly #ledger: Ledger
  readonly #allowance: Allowance

  constructor(init: { ledger: Ledger; clock: Clock }) {
    this.#ledger = init.ledger
    this.#allowance = new Allowance({ clock: init.clock, perSecond: VOID_BYTES_PER_SECOND, burst: VOID_BYTES_MAX })
  }

  /** Throws `Refusal` (`quota`), counted. */
  pass(from: Peer, entry: Entry): void {
    if (from !== peerOf(entry.author) || !isVoid(this.#ledger.authority, entry)) return
    if (!this.#allowance.has(entry.author)) {
      this.#ledger.refused('quota')
      throw new Refusal('quota', 'its author wrote too much that has no effect: it is taken in a while')
    }
    this.#allowance.spend(entry.author, entry.bytes.length)
  }
}
