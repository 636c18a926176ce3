import { identityOf } from '#protocols/network'
import { OsirisError } from '#protocols/errors'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** How far the sender's own feed is here, and whether it may write to it now. Nobody asks for another's feed: that would keep its owner from writing. */
export const witness: Handler<'witness'> = async (context, { known, instance, leaseMs }, { peer }) => {
  requireMember(context, peer)
  const author = identityOf(peer)
  if (author === undefined) throw new OsirisError('forbidden', 'Cannot witness a feed: the sender has no Ed25519 key')
  const testimony = context.service.guard.answer(author, { instance, leaseMs })
  if (testimony.hash === null || testimony.hash === known) return answer({ ...testimony })
  const [last] = await context.service.entries([{ author, from: testimony.seq, to: testimony.seq }], ENTRY_BYTES_MAX)
  return answer({ ...testimony }, last)
}
