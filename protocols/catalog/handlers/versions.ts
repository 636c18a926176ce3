import { encode } from '#protocols/codec'
import { answer, callerOf, type Handler, requireReader } from './handler.ts'

/** All versions of a function. */
export const versions: Handler<'versions'> = async (context, { namespace, name, caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), namespace)
  return answer({}, encode(await context.service.versions(namespace, name)))
}
