import { notHere } from '../messages.ts'
import { answer, callerOf, EVERYWHERE, type Handler, requireReader } from './handler.ts'

/** An artifact from this node's disk. The asker goes on to the next holder by itself, so that no question travels twice. */
export const artifact: Handler<'artifact'> = async (context, { digest, caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  const bytes = await context.service.localArtifact(digest)
  if (bytes === undefined) throw notHere(digest)
  return answer({}, bytes)
}
