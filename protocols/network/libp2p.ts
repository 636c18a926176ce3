/** The network over libp2p. Loaded by `createLibp2pNetwork` of the door only: it takes a fifth of a second. */
import { createIdentity, swarmKeyOf, type Universe, universeId } from '#protocols/access'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import { createHost, type Host } from './libp2p-host.ts'
import { Libp2pTransport } from './libp2p-transport.ts'
import { type BeatInit, MeshNetwork } from './mesh-network.ts'
import type { KnownPeers } from './neighbours.ts'
import type { Network } from './network.ts'

export interface Libp2pNetworkInit {
  /** The node's 32-byte Ed25519 seed: its peer id follows from it. */
  seed: Uint8Array
  universe: Universe
  /** Multiaddrs; port 0 for any. Empty for a client. */
  listen: string[]
  /** Multiaddrs with peer ids; may be empty. */
  bootstrap: string[]
  /** What this node tells about itself; without a role it tells nothing. */
  beat: BeatInit
  /** Whether it takes part in the DHT: without, `provide` does nothing and `providers` is empty. */
  dht: boolean
  storage?: KnownPeers
  clock: Clock
  random: Random
  events: Events
}

/** Kademlia starts this long after the node. */
const DHT_START_AFTER_MS = 2_000

export async function createLibp2pNetwork(init: Libp2pNetworkInit): Promise<Network> {
  return (await assemble(init, DHT_START_AFTER_MS)).network
}

/** The network and the host under it; tests end the host without the network's goodbye. */
export async function assemble(init: Libp2pNetworkInit, startAfterMs: number): Promise<{ network: Network; host: Host }> {
  const { seed, universe, listen, bootstrap, beat, storage, clock, random, events } = init
  const id = universeId(universe)
  const prefix = `osiris/${id}`
  const onError = (error: unknown): void => {
    const text = `The DHT cannot go on: ${error instanceof Error ? error.message : String(error)}`
    events.emit('log', { level: 'debug', room: 'network', text })
  }
  const host = await createHost({
    seed,
    swarmKey: swarmKeyOf(universe),
    listen,
    prefix,
    dht: { enabled: init.dht, protocol: `/${prefix}/kad/1`, client: beat.roles.length === 0, startAfterMs, clock, onError },
  })
  const network = new MeshNetwork({
    transport: new Libp2pTransport({ host, prefix, dht: init.dht }),
    identity: createIdentity(seed),
    universe: id,
    beat,
    bootstrap,
    ...(storage === undefined ? {} : { storage }),
    clock,
    random,
    events,
    // After everything the last read has set going, before the next read.
    defer: setImmediate,
  })
  return { network, host }
}
