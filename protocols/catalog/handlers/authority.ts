import { encode } from '#protocols/codec'
import { readAuthority } from '../checkpoints/jury.ts'
import { ENTRIES_BYTES_MAX } from '../messages.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** Entries about authority, up to a bound; the sender asks again for the rest. */
export const authority: Handler<'authority'> = async (context, { skip }, { peer }) => {
  requireMember(context, peer)
  return answer({}, encode(await readAuthority(context.service.checkpoints.ledger, skip, ENTRIES_BYTES_MAX)))
}
