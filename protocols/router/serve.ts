import type { Network } from '#protocols/network'
import { handleInvoke } from './handlers/invoke.ts'
import { handleCopy, handleKeep } from './handlers/keep.ts'
import { COPY_PROTOCOL, KEEP_PROTOCOL } from './idempotency/messages.ts'
import { ROUTER_PROTOCOL } from './messages.ts'
import type { RouterService } from './service.ts'

/** Opens this router to peers. Returns the way to stop. */
export function serveRouter(network: Pick<Network, 'handle' | 'members'>, router: RouterService): () => void {
  const { members } = network
  const stops = [
    network.handle(ROUTER_PROTOCOL, handleInvoke(router, members, router.clock)),
    network.handle(KEEP_PROTOCOL, handleKeep(router, members)),
    network.handle(COPY_PROTOCOL, handleCopy(router, members)),
  ]
  return () => stops.forEach((stop) => stop())
}
