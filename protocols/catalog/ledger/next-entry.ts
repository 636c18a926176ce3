/** The next entry of this node: whose key, which grant, which place; signed, and such as the other nodes take in. */
import type { Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { MaybePromise } from '#protocols/lifecycle'
import type { LedgerAuthority } from './authority.ts'
import { signerFor } from './authority-signer.ts'
import type { Requester } from './asker.ts'
import type { BodyOf, EntryType } from './bodies.ts'
import { type Entry, ENTRY_BYTES_MAX, signEntry } from './entry.ts'
import type { Feeds, Tip } from './feeds.ts'
import { type Hlc, observe, tick } from './hlc.ts'

export interface NextEntryInit<T extends EntryType> {
  type: T
  body: BodyOf<T>
  /** A label alone: the node asks by itself. */
  by: string | Requester
  authority: LedgerAuthority
  /** The first that may is the author. */
  identities: readonly Identity[]
  universe: string
  /** The latest time seen, and this host's own. */
  last: Hlc
  nowMs: number
  /** Where an author's feed ends. Throws where it must not be continued. */
  tipOf: (author: string) => Tip
}

export interface Readiness {
  /** Asked for first: with it comes what was lost. */
  own: string
  /** Whose feed the entry belongs to. May change meanwhile, by what comes in. */
  authorOf: () => string
  mayWrite: (author: string) => MaybePromise<void>
  authority: Pick<LedgerAuthority, 'givingOn'>
}

/** Returns when the feed may be continued that an entry belongs to. */
export async function readyToWrite({ own, authorOf, mayWrite, authority }: Readiness): Promise<void> {
  for (let author = own, ready = ''; author !== ready; author = authorOf()) {
    await mayWrite(author)
    const given = authority.givingOn(author)
    if (given === undefined) ready = author
    else await given
  }
}

/** Throws `forbidden` (saying which grant is missing), `payload_too_large`, and what `tipOf` throws. */
export function nextEntry<T extends EntryType>(init: NextEntryInit<T>): Entry {
  const { type, body, by, authority, universe, last, nowMs } = init
  const { identity, grant } = signerFor(authority, init.identities, type, body, tick(last, nowMs).wallMs)
  const tip = init.tipOf(identity.id)
  const hlc = tick(observe(last, tip.hlc), nowMs)
  const place = { format: 1 as const, universe, author: identity.id, seq: tip.seq + 1, prev: tip.hash }
  const requester = typeof by === 'string' ? { by } : by
  const entry = signEntry(identity, { ...place, hlc, type, body: placed(body, place), ...requester, grant })
  if (entry.bytes.length > ENTRY_BYTES_MAX) {
    throw new OsirisError('payload_too_large', `Cannot write the entry: it has ${entry.bytes.length} bytes, at most ${ENTRY_BYTES_MAX} fit`)
  }
  // What the others would refuse must not stand in this node's feed: nothing could follow it.
  const fault = authority.judge(entry)
  if (fault === undefined) return entry
  throw new OsirisError('forbidden', `Cannot write "${type}": ${'refused' in fault ? fault.refused : fault.unknown}`)
}

/**
 * Where a feed may be continued: continuing one of which something is missing here would fork it, and so would continuing one that forked.
 * `frozenFrom`: its first seq without effect. Throws `unavailable`.
 */
export function writableTip(feeds: Feeds, author: string, frozenFrom: number): Tip {
  const tip = feeds.tip(author)
  if (feeds.isCut(author)) {
    throw new OsirisError(
      'unavailable',
      'Cannot write to the ledger: there is more of the feed than this node has, and peers have not brought it',
    )
  }
  if (tip.seq + 1 < frozenFrom) return tip
  throw new OsirisError(
    'unavailable',
    `Cannot write to the ledger: this node's key wrote two entries ${frozenFrom} and is frozen; replace the key`,
  )
}

/** Who gives on its own key ends with the entry that says so. */
function placed<B extends Record<string, unknown>>(body: B, { author, seq }: { author: string; seq: number }): B {
  return body['from'] === author && 'to' in body ? { ...body, seq } : body
}
