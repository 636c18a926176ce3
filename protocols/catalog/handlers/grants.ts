import { encode } from '#protocols/codec'
import { answer, type Handler, requireMember } from './handler.ts'

/** What a key holds by this node's ledger. */
export const grants: Handler<'grants'> = async (context, { key, token }, { peer }) => {
  requireMember(context, peer)
  return answer({}, encode(context.service.grantsOf(key, token)))
}
