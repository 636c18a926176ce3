/** What some of the entries on disk come to, worked out anew: the digest that every node has that holds exactly these. */
import { breathe, type Clock } from '#protocols/lifecycle'
import { reopenEntry } from '../entry.ts'
import type { Head } from '../feeds.ts'
import type { FrozenAuthor } from '../forks/frozen.ts'
import type { Ledger } from '../ledger.ts'
import { LedgerState } from '../ledger-state.ts'
import { ViewDigest } from '../view-digest.ts'

/** Entries between two breaths of the event loop: about 2 ms. */
const BREATH = 64
const READ_BYTES_MAX = 512 * 1024

/** All that is read of a ledger. */
export type ReadableLedger = Pick<Ledger, 'root' | 'read' | 'hashAt'>

/**
 * The view digest of the feeds up to these heads, with these authors frozen. Takes about 30 µs an entry, and as much memory as they take in the
 * ledger, until it ends. `undefined` where one of them cannot be read.
 */
export async function viewDigestAt(
  ledger: ReadableLedger,
  at: { heads: readonly Head[]; frozen: readonly FrozenAuthor[] },
  clock: Clock,
): Promise<string | undefined> {
  const state = new LedgerState(ledger.root)
  const digest = new ViewDigest()
  for (const { author, seq } of at.frozen) state.freeze(author, seq)
  // On the root's feed all others stand: what is known of it need not be weighed again.
  const rootFirst = at.heads.toSorted((a, b) => Number(b.author === ledger.root) - Number(a.author === ledger.root))
  for (const { author, seq } of rootFirst) {
    for (let next = 1; next <= seq;) {
      const read = await ledger.read(author, next, Math.min(seq, next + BREATH - 1), READ_BYTES_MAX)
      if (read.length === 0) return undefined
      for (const [index, bytes] of read.entries()) state.insert(reopenEntry(bytes, ledger.hashAt(author, next + index) as string))
      for (const each of state.settle().states) digest.set(each)
      digest.catchUp(BREATH)
      next += read.length
      await breathe(clock)
    }
  }
  await digest.settled(clock)
  return digest.value(state.digest())
}
