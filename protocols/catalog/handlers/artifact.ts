import { notHere } from '../messages.ts'
import { answer, callerOf, EVERYWHERE, type Handler, requireReader } from './handler.ts'

/** A piece of an artifact from this node's disk, verified. The asker goes on to the next holder by itself, so that no question travels twice. */
export const artifact: Handler<'artifact'> = async (context, { digest, from, length, caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  const piece = await context.service.localPiece(digest, from, length)
  if (piece === undefined) throw notHere(digest)
  return answer({ total: piece.total }, piece.bytes)
}
