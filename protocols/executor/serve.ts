import type { Network } from '#protocols/network'
import { CHAIN_PROTOCOL, type Chains } from './chain/chains.ts'
import { handleInvoke, type InvokeParts } from './handlers/invoke.ts'
import { handleScale, type ScaleParts } from './handlers/scale.ts'
import { EXECUTOR_PROTOCOL, SCALE_PROTOCOL } from './messages.ts'

export interface ServedExecutor extends Omit<InvokeParts, 'members'>, ScaleParts {
  executor: InvokeParts['executor'] & ScaleParts['executor'] & { chains?: Chains }
}

/** Opens this executor to peers. Returns the way to stop. */
export function serveExecutor(network: Pick<Network, 'handle' | 'members'>, parts: ServedExecutor): () => void {
  const { chains } = parts.executor
  const stops = [
    network.handle(EXECUTOR_PROTOCOL, handleInvoke({ ...parts, members: network.members })),
    network.handle(SCALE_PROTOCOL, handleScale(parts)),
    ...(chains === undefined ? [] : [network.handle(CHAIN_PROTOCOL, chains.handle)]),
  ]
  return () => stops.forEach((stop) => stop())
}
