import type { Network } from '#protocols/network'
import { handleInvoke } from './handlers/invoke.ts'
import { ROUTER_PROTOCOL } from './messages.ts'
import type { RouterService } from './service.ts'

/** Opens this router to peers. Returns the way to stop. */
export function serveRouter(network: Pick<Network, 'handle'>, router: RouterService): () => void {
  return network.handle(ROUTER_PROTOCOL, handleInvoke(router, router.clock))
}
