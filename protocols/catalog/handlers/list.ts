import { encode } from '#protocols/codec'
import { answer, callerOf, type Handler, readable } from './handler.ts'

/** All functions, or those of a namespace, as far as the sender may read them. */
export const list: Handler<'list'> = async (context, { namespace, caller }, { peer }) => {
  const mayRead = await readable(context, peer, caller && callerOf(caller))
  const records = context.service.list(namespace === undefined ? {} : { namespace })
  return answer({}, encode(records.filter((record) => mayRead(record.namespace))))
}
