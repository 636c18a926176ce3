import { encode } from '#protocols/codec'
import { answer, callerOf, EVERYWHERE, type Handler, requireReader } from './handler.ts'

/** The ledger as bytes, a page at a time, for whoever verifies it. */
export const records: Handler<'records'> = async (context, { from, caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  return answer({}, encode(await context.service.records(from)))
}
