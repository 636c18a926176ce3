import { OsirisError } from '#protocols/errors'
import type { Peer, RequestHandler } from '#protocols/network'
import type { Executor, ScaleOrder } from '../executor.ts'
import { decodeOrder, encodeCount } from '../messages.ts'

/** Whether this peer is the one that decides about the function, in this node's own sight. */
export type MayOrder = (peer: Peer, order: Pick<ScaleOrder, 'namespace' | 'name'>) => boolean

export interface ScaleParts {
  executor: Pick<Executor, 'scale'>
  mayOrder: MayOrder
}

export function handleScale({ executor, mayOrder }: ScaleParts): RequestHandler {
  return async (request) => {
    const order = decodeOrder(request)
    if (!mayOrder(request.peer, order))
      throw new OsirisError('forbidden', `Cannot scale "${order.namespace}/${order.name}": another member decides about it`)
    return encodeCount(await executor.scale(order))
  }
}
