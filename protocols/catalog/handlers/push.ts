import { collect } from '#protocols/body'
import { OsirisError } from '#protocols/errors'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** One fresh entry; the answer says that it is on disk here, and carries the receipt of this node where the artifact is, too. */
export const push: Handler<'push'> = async (context, { keep }, { peer, body, timeoutMs }) => {
  requireMember(context, peer)
  const bytes = await collect(body, ENTRY_BYTES_MAX, 'the entry').catch((error: unknown) => {
    if (error instanceof OsirisError && error.code === 'payload_too_large') context.service.tooLong()
    throw error
  })
  if (!(await context.service.accept(peer, bytes))) return answer({ held: false })
  const receipt = await context.service.receiptOf(bytes, { keep: keep === true, timeoutMs, first: peer })
  return answer({ held: true, ...(receipt === undefined ? {} : { receipt }) })
}
