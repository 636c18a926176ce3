import type { Access } from '#protocols/access'
import type { Network } from '#protocols/network'
import { handleInvoke } from './handlers/invoke.ts'
import { EXECUTOR_PROTOCOL } from './messages.ts'
import type { ExecutorService } from './service.ts'

/** Opens this executor to peers. Returns the way to stop. */
export function serveExecutor(network: Pick<Network, 'handle'>, executor: ExecutorService, access: Access): () => void {
  const { code, clock } = executor
  return network.handle(EXECUTOR_PROTOCOL, handleInvoke({ executor, code, access, clock }))
}
