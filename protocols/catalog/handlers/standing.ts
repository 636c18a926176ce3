import { encode } from '#protocols/codec'
import { packIds, unpackIds } from '../id-set.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** The entries on which everybody's standing rests, for members that keep no ledger. */
export const standing: Handler<'standing'> = async (context, { known, ids }, { peer }) => {
  requireMember(context, peer)
  const { standing: own } = context.service
  if (ids !== undefined) return answer({ same: false }, encode(await own.entries(unpackIds(ids))))
  if (own.digest() === known) return answer({ same: true })
  return answer({ same: false }, packIds(own.ids()))
}
