import { encode } from '#protocols/codec'
import { answer, callerOf, type Handler, requireReaderOfAll } from './handler.ts'

/** Entries in view order, for people. */
export const log: Handler<'log'> = async (context, { after, limit, caller }, { peer }) => {
  await requireReaderOfAll(context, peer, caller && callerOf(caller))
  return answer({}, encode(await context.service.log(after === undefined ? { limit } : { after, limit })))
}
