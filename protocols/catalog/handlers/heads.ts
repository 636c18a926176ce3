import { digestOf, encode } from '#protocols/codec'
import { answer, type Handler, requireMember } from './handler.ts'

/** The last entry of each feed here; nothing when the sender has the same. */
export const heads: Handler<'heads'> = async (context, { known }, { peer }) => {
  requireMember(context, peer)
  const body = encode(context.service.heads())
  return digestOf(body) === known ? answer({ same: true }) : answer({ same: false }, body)
}
