import { packOffer } from '../ledger/checkpoints/shared-checkpoint.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** The checkpoint that most catalogs signed, for a node that joins. */
export const checkpoint: Handler<'checkpoint'> = async (context, _message, { peer }) => {
  requireMember(context, peer)
  const offer = context.service.checkpoints.offer()
  return answer({}, offer === undefined ? new Uint8Array() : packOffer(offer))
}
