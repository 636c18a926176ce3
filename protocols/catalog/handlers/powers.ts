import { encode } from '#protocols/codec'
import { visiblePowers } from '../powers/powers.ts'
import { answer, callerOf, type Handler, isMember } from './handler.ts'

/** Who holds what, as far as the sender may see it. */
export const powers: Handler<'powers'> = async (context, { caller }, { peer }) => {
  const all = context.service.powers()
  if (isMember(context, peer)) return answer({}, encode(all))
  const principal = await context.access.principalOf(caller === undefined ? { subject: 'anonymous' } : callerOf(caller))
  return answer({}, encode(visiblePowers(all, principal)))
}
