import { encode } from '#protocols/codec'
import { HEADS_WHOLE_MAX, packHead } from '../messages.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** What the sender needs to find out what it lacks here: the heads while they are few, and the digest of each shared set. */
export const heads: Handler<'heads'> = async (context, { known }, { peer }) => {
  requireMember(context, peer)
  const { sets, checkpoints } = context.service
  if (sets.digest() === known) return answer({ same: true })
  const all = sets.heads.heads()
  const whole = all.length <= HEADS_WHOLE_MAX
  return answer(
    { same: false, entries: checkpoints.entries, digests: sets.digests(), whole },
    whole ? encode(all.map(packHead)) : undefined,
  )
}
