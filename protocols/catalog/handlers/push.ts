import { collect } from '#protocols/body'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** One fresh entry; the answer says that it is on disk here, and the artifact with it where the sender counts on that. */
export const push: Handler<'push'> = async (context, { keep }, { peer, body, timeoutMs }) => {
  requireMember(context, peer)
  const bytes = await collect(body, ENTRY_BYTES_MAX, 'the entry')
  const held = await context.service.accept(peer, bytes)
  return answer({ held: held && (keep === undefined || (await context.service.keeps(keep, timeoutMs))) })
}
