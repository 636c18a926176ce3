import type { Libp2pNetworkInit } from './libp2p.ts'
import type { Network } from './network.ts'

export type { Libp2pNetworkInit } from './libp2p.ts'
export * from './memory.ts'
export type { Faults } from './memory-links.ts'
export type { BeatInit } from './mesh-network.ts'
export type { KnownPeers } from './neighbours.ts'
export * from './network.ts'

/** A node of the mesh over libp2p, not started. Loads libp2p only now: tests and HTTP clients that share this door never do. */
export async function createLibp2pNetwork(init: Libp2pNetworkInit): Promise<Network> {
  const { createLibp2pNetwork: create } = await import('./libp2p.ts')
  return create(init)
}
