/** What a node's ledger is made of. */
import type { Identity, Universe } from '#protocols/access'
import type { Events } from '#protocols/events'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import type { Storage } from '#protocols/storage'
import type { Entry, VerifyOn } from './entry.ts'
import type { FunctionState } from './fold.ts'
import type { ForkProof } from './forks/forks.ts'

export interface LedgerInit {
  identity: Identity
  /** Keys of the root's that this node holds: they write what its own may not. */
  rootKeys?: readonly Identity[]
  universe: Universe
  storage: Storage
  clock: Clock
  events: Events
  /** Default `threads`; a simulator says `here`. */
  verifyOn?: VerifyOn
  /** Hears of functions whose state is new, and of the entries that brought it, when they are on disk. */
  onChange: (states: FunctionState[], entries: Entry[]) => void
  /** Hears of each proof that freezes an author, or more of its entries than before. */
  onFork: (proof: ForkProof) => void
  /** Returns when this node may continue the feed of this author, one of its keys. Throws `unavailable`. */
  mayWrite: (author: string) => MaybePromise<void>
}
