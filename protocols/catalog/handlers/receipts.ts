import { encode } from '#protocols/codec'
import { answer, type Handler, requireMember } from './handler.ts'

/** Receipts of some entries: those on this node's disk, and its own where more are needed. */
export const receipts: Handler<'receipts'> = async (context, { of }, { peer }) => {
  requireMember(context, peer)
  return answer({}, encode(await context.service.receipts(of)))
}
