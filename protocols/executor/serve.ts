import type { Network } from '#protocols/network'
import { handleInvoke, type InvokeParts } from './handlers/invoke.ts'
import { EXECUTOR_PROTOCOL } from './messages.ts'

/** Opens this executor to peers. Returns the way to stop. */
export function serveExecutor(
  network: Pick<Network, 'handle'>,
  executor: InvokeParts['executor'],
  access: InvokeParts['access'],
): () => void {
  return network.handle(EXECUTOR_PROTOCOL, handleInvoke({ executor, access }))
}
