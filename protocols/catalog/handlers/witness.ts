import { identityOf } from '#protocols/network'
import { OsirisError } from '#protocols/errors'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** How far the sender's own feed, or the root's where it holds the key, is here, and whether it may write to it now. */
export const witness: Handler<'witness'> = async (context, { feed, known, instance, leaseMs }, { peer }) => {
  requireMember(context, peer)
  const writer = identityOf(peer)
  if (writer === undefined) throw new OsirisError('forbidden', 'Cannot witness a feed: the sender has no Ed25519 key')
  const asked = feed ?? { author: writer }
  const testimony = context.service.guard.answer(asked, writer, { instance, leaseMs })
  if (testimony.hash === null || testimony.hash === known) return answer({ ...testimony })
  const place = { author: asked.author, from: testimony.seq, to: testimony.seq }
  const [last] = await context.service.entries([place], ENTRY_BYTES_MAX)
  return answer({ ...testimony }, last)
}
