import { encode } from '#protocols/codec'
import { answer, callerOf, type Handler, requireReaderOfAll } from './handler.ts'

/** The ledger as bytes, a page at a time, for whoever verifies it. */
export const records: Handler<'records'> = async (context, { from, caller }, { peer }) => {
  await requireReaderOfAll(context, peer, caller && callerOf(caller))
  return answer({}, encode(await context.service.records(from)))
}
