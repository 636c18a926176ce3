import { encode } from '#protocols/codec'
import { answer, callerOf, EVERYWHERE, type Handler, requireReader } from './handler.ts'

/** Entries in view order, for people. */
export const log: Handler<'log'> = async (context, { after, limit, caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  return answer({}, encode(await context.service.log(after === undefined ? { limit } : { after, limit })))
}
