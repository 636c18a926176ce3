import { collect } from '#protocols/network'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** One fresh entry; the answer says that it is on disk here. */
export const push: Handler<'push'> = async (context, _message, { peer, body }) => {
  requireMember(context, peer)
  const bytes = await collect(body, ENTRY_BYTES_MAX, 'the entry')
  return answer({ held: await context.service.accept(peer, bytes) })
}
