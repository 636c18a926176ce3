import { encode } from '#protocols/codec'
import { unpackIds } from '../id-set.ts'
import { ENTRIES_BYTES_MAX } from '../messages.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** Objects of a shared set, up to a bound. */
export const objects: Handler<'objects'> = async (context, { set, ids }, { peer }) => {
  requireMember(context, peer)
  return answer({}, encode(await context.service.sets.read(set, unpackIds(ids), ENTRIES_BYTES_MAX)))
}
