import type { Network } from '#protocols/network'
import { CHAIN_PROTOCOL, type Chains } from './chain/chains.ts'
import { handleInvoke, type InvokeParts } from './handlers/invoke.ts'
import { EXECUTOR_PROTOCOL } from './messages.ts'

/** Opens this executor to peers. Returns the way to stop. */
export function serveExecutor(
  network: Pick<Network, 'handle' | 'members'>,
  executor: InvokeParts['executor'] & { chains?: Chains },
  access: InvokeParts['access'],
): () => void {
  const stops = [
    network.handle(EXECUTOR_PROTOCOL, handleInvoke({ executor, access, members: network.members })),
    ...(executor.chains === undefined ? [] : [network.handle(CHAIN_PROTOCOL, executor.chains.handle)]),
  ]
  return () => stops.forEach((stop) => stop())
}
