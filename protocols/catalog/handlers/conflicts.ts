import { encode } from '#protocols/codec'
import { answer, callerOf, type Handler, requireReaderOfAll } from './handler.ts'

/** What did not come to stand, and why. */
export const conflicts: Handler<'conflicts'> = async (context, { caller }, { peer }) => {
  await requireReaderOfAll(context, peer, caller && callerOf(caller))
  return answer({}, encode(await context.service.conflicts()))
}
