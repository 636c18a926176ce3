import type { Libp2pNetworkInit } from './libp2p.ts'
import type { Network } from './network.ts'

export type { Libp2pNetworkInit } from './libp2p.ts'
export * from './memory.ts'
export type { Faults } from './memory-links.ts'
export { type BeatInit, MeshNetwork } from './mesh-network.ts'
export { beatEveryMs } from './limits.ts'
export type { KnownPeers } from './neighbours.ts'
export * from './network.ts'
export { identityOf, peerOf } from './peer.ts'
export { RecordTable } from './records.ts'
export type { DialOptions, MayHear, Pipe, PipeEnd, Transport, TransportEvents } from './transport.ts'

/** Loads libp2p ahead of need: 150 ms of a node's start that can pass while it waits for something else. */
export async function loadLibp2p(): Promise<void> {
  await import('./libp2p.ts')
}

/** A node of the mesh over libp2p, not started. Loads libp2p only now: tests and HTTP clients that share this door never do. */
export async function createLibp2pNetwork(init: Libp2pNetworkInit): Promise<Network> {
  const { createLibp2pNetwork: create } = await import('./libp2p.ts')
  return create(init)
}
