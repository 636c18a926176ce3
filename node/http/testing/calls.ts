/** Asynchronous calls of a node that is alone, in memory. */
import { MemoryLevel } from 'memory-level'
import type { Access } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { CallsService, QueueService } from '#protocols/router'
import type { FakeRouter } from './router.ts'

export async function createCalls(init: { router: FakeRouter; access: Access; events: Events }): Promise<CallsService> {
  const members = { list: () => [], get: () => undefined, withRole: () => [], naming: () => [], onChange: () => () => {} }
  const request = () => Promise.reject(new OsirisError('unavailable', 'Cannot ask: this node is alone'))
  const shared = { clock: systemClock, random: Math.random, events: init.events }
  const queue = new QueueService({
    ...shared,
    routers: { mayAct: () => true },
    network: { peer: 'peer-1', members, request, handle: () => () => {} },
    storage: new MemoryLevel<string, Uint8Array>({ keyEncoding: 'utf8', valueEncoding: 'view' }),
  })
  const outside = { judge: () => {}, post: async () => 204 }
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const calls = new CallsService({ ...init, ...shared, queue, outside, randomBytes })
  await calls.start()
  await queue.start()
  return calls
}
