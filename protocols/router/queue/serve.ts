/** The queue's door for other routers. What comes in is judged here, and its sender: nobody else speaks about items. */
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { IncomingRequest, Message, Network, Peer } from '#protocols/network'
import { BATCH_BYTES_MAX, comparedSchema, type Part, partsSchema, QUEUE_PROTOCOL, type Request, requestSchema } from './messages.ts'
import type { QueueService } from './service.ts'

const DONE = encode({})
/** Payloads and what goes around them. */
const BODY_BYTES_MAX = 2 * BATCH_BYTES_MAX

/** Answers routers until the returned function is called. */
export function serveQueue(network: Pick<Network, 'handle' | 'members'>, queue: QueueService): () => void {
  return network.handle(QUEUE_PROTOCOL, async (request) => {
    if (!network.members.withRole('router').some((each) => each.peer === request.peer))
      throw new OsirisError('forbidden', 'Cannot speak about the queue: only routers of this universe may')
    const asked = decodeAs(requestSchema, request.head, 'a request about the queue')
    return answer(queue, request, asked)
  })
}

async function answer(queue: QueueService, request: IncomingRequest, asked: Request): Promise<Message> {
  const { peer } = request
  const { holdings } = queue
  switch (asked.type) {
    case 'put':
      await holdings.takeCopies(await partsOf(request, peer), asked.repair)
      return { head: DONE }
    case 'tell':
      await holdings.hear(await partsOf(request, peer))
      return { head: DONE }
    case 'claim':
      return { head: encode(await holdings.claimed({ ...asked, by: peer })) }
    case 'look': {
      const { answer: bytes, ...head } = await queue.shown(asked.id)
      return bytes === undefined ? { head: encode(head) } : { head: encode(head), body: bytes }
    }
    case 'payload': {
      const payload = await holdings.payloadOf(asked.id)
      return payload === undefined ? { head: encode({ found: false }) } : { head: encode({ found: true }), body: payload }
    }
    case 'list': {
      const { states, ...filter } = asked
      return { head: DONE, body: encode(queue.listed(states === null ? filter : { ...filter, states })) }
    }
    case 'act':
      return { head: encode(await queue.act(asked.act, asked.id)) }
    case 'compare':
      return { head: DONE, body: encode(holdings.compared(decodeAs(comparedSchema, await bodyOf(request), 'what is compared'))) }
  }
}

function bodyOf(request: IncomingRequest): Promise<Uint8Array> {
  return collect(request.body, BODY_BYTES_MAX, 'what is said about the queue')
}

/** A router speaks of items it holds, and of no others. */
async function partsOf(request: IncomingRequest, peer: Peer): Promise<Part[]> {
  const parts = decodeAs(partsSchema, await bodyOf(request), 'items of the queue')
  const foreign = parts.find(({ head }) => !head.holders.includes(peer))
  if (foreign === undefined) return parts
  throw new OsirisError('forbidden', `Cannot take in "${foreign.head.id}": its sender is none of its holders`)
}
