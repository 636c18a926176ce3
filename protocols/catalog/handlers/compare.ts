import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { answerTo, MESSAGE_BYTES_MAX, questionSchema } from '../reconcile.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** How the ranges of a shared set compare with those of the sender. */
export const compare: Handler<'compare'> = async (context, { set }, { peer, body }) => {
  requireMember(context, peer)
  const { sets, comparing, clock } = context.service
  if (!comparing.has(peer))
    throw new OsirisError('rate_limited', 'Cannot compare: the sender asked for too much of it, and is answered again in a second')
  const question = decodeAs(questionSchema, await collect(body, MESSAGE_BYTES_MAX, 'the question'), 'the question')
  const startedAt = clock.monotonic()
  const said = answerTo(sets.ids(set), question)
  comparing.spend(peer, clock.monotonic() - startedAt)
  return answer({}, encode(said))
}
