import { speaksForFunctions } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { IncomingRequest, Members, Message } from '#protocols/network'
import { callerOf } from '../../wire-caller.ts'
import { encodeAnswer, messageOf, type PublishRequest } from '../messages.ts'
import type { TopicsService } from '../service.ts'

/**
 * A token is judged here as a local one is. That a function publishes is the word of whoever runs it, or of a router that passes it on: it is taken from
 * members that were let in as that, of functions that the ledger has.
 */
export async function handlePublish(
  topics: TopicsService,
  members: Pick<Members, 'get'>,
  request: PublishRequest,
  { peer, body }: IncomingRequest,
): Promise<Message> {
  const { by, chosen, forwarded } = request
  if ('from' in by) requireRunner(members, peer, request)
  else await topics.requirePublisher(callerOf(by.caller), request.namespace)
  const message = await messageOf(request, body)
  return encodeAnswer(await topics.take(message, 'from' in by ? by : { caller: callerOf(by.caller) }, chosen, forwarded))
}

function requireRunner(members: Pick<Members, 'get'>, peer: string, { namespace, topic }: PublishRequest): void {
  if (speaksForFunctions(members.get(peer))) return
  throw new OsirisError('forbidden', `Cannot publish to "${namespace}/${topic.slice(0, 255)}" for a function: the sender runs none`)
}
