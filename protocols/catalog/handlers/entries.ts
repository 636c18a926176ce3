import { encode } from '#protocols/codec'
import { ENTRIES_BYTES_MAX } from '../messages.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** Entries of some feeds, up to a bound; the sender asks again for the rest. */
export const entries: Handler<'entries'> = async (context, { wants }, { peer }) => {
  requireMember(context, peer)
  return answer({}, encode(await context.service.entries(wants, ENTRIES_BYTES_MAX)))
}
