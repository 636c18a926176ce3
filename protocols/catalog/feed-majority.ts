/** What a last entry of a feed takes beyond an ordinary one. */
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Ledger } from './ledger/ledger.ts'
import { placeOfNow } from './ledger/receipts/electorate.ts'
import type { FeedGuard } from './witnesses/feed-guard.ts'

/** Not a few on one side of a partition: on the other there may be a host with the same key, and two last entries would freeze it. Throws `unavailable`. */
export function requireMajority(
  { ledger, guard, clock }: { ledger: Ledger; guard: FeedGuard; clock: Clock },
  author: string,
  act: string,
): void {
  const catalogs = new Set(ledger.state.electorate.at(placeOfNow(clock.now()))).add(ledger.author)
  const granted = guard.grantedBy(author) + 1
  if (granted * 2 > catalogs.size) return
  throw new OsirisError(
    'unavailable',
    `${act}: ${granted} of ${catalogs.size} catalogs say that nobody else writes with it, more than half must; those that are gone for good count until they are banned`,
  )
}
