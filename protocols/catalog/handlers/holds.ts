import { answer, type Handler, requireMember } from './handler.ts'

/** Which of these artifacts are on this node's disk. Of those that are not, and belong here, copies are made. */
export const holds: Handler<'holds'> = async (context, { digests }, { peer }) => {
  requireMember(context, peer)
  return answer({ here: await context.service.holds(digests) })
}
