import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { answerTo, MESSAGE_BYTES_MAX, questionSchema } from '../reconcile.ts'
import { answer, type Handler, requireMember } from './handler.ts'

/** How the ranges of a shared set compare with those of the sender. */
export const compare: Handler<'compare'> = async (context, { set }, { peer, body }) => {
  requireMember(context, peer)
  const question = decodeAs(questionSchema, await collect(body, MESSAGE_BYTES_MAX, 'the question'), 'the question')
  return answer({}, encode(answerTo(context.service.sets.ids(set), question)))
}
