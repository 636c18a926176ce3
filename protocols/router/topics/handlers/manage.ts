import type { Message } from '#protocols/network'
import { callerOf } from '../../wire-caller.ts'
import { encodeAnswer, type TopicsRequest } from '../messages.ts'
import type { Topics } from '../topics.ts'

/** Everything but publishing; the caller's token is judged by the service, as a local caller's is. */
export async function handleManage(topics: Topics, request: Exclude<TopicsRequest, { type: 'publish' }>): Promise<Message> {
  const { namespace } = request
  const caller = callerOf(request.caller)
  switch (request.type) {
    case 'subscriptions':
      return encodeAnswer({ subscriptions: await topics.subscriptions(namespace, caller) })
    case 'deadLetters':
      return encodeAnswer({ letters: await topics.deadLetters(namespace, request.limit, caller) })
    case 'deadLetter':
      return encodeAnswer(await topics.deadLetter(namespace, request.id, caller))
    case 'replay':
      await topics.replay(namespace, request.id, caller)
      return encodeAnswer({})
    case 'remove':
      await topics.remove(namespace, request.id, caller)
      return encodeAnswer({})
  }
}
