import { encode } from '#protocols/codec'
import { answer, callerOf, EVERYWHERE, type Handler, requireReader } from './handler.ts'

/** What did not come to stand, and why. */
export const conflicts: Handler<'conflicts'> = async (context, { caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  return answer({}, encode(await context.service.conflicts()))
}
