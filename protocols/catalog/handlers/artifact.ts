import type { IncomingRequest, Message } from '#protocols/network'
import { notHere, type RequestOf } from '../messages.ts'
import type { CatalogService } from '../service.ts'
import { answer, callerOf, EVERYWHERE, type ReadContext, requireReader } from './handler.ts'

/** A catalog, or a node without the ledger that fetched artifacts before. */
export type ArtifactKeeper = Pick<CatalogService, 'localPiece'>

/** A piece of an artifact from this node's disk, verified. The asker goes on to the next holder by itself, so that no question travels twice. */
export async function artifact(
  context: ReadContext & { service: ArtifactKeeper },
  { digest, from, length, caller }: RequestOf<'artifact'>,
  { peer }: IncomingRequest,
): Promise<Message> {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  const piece = await context.service.localPiece(digest, from, length)
  if (piece === undefined) throw notHere(digest)
  return answer({ total: piece.total }, piece.bytes)
}
