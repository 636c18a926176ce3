import { encode } from '#protocols/codec'
import { PROOFS_BYTES_MAX } from '../messages.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** Proofs of equivocation that the sender lacks, up to a bound; the sender asks again for the rest. */
export const proofs: Handler<'proofs'> = async (context, { known }, { peer }) => {
  requireMember(context, peer)
  return answer({}, encode(await context.service.proofs(known, PROOFS_BYTES_MAX)))
}
