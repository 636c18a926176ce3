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
  /** Milliseconds after `start()` from which on it says to the DHT what it has to say; it answers, and asks where it must, at any time. Default: 10 s, a quarter more or less. */
  dhtAfterMs?: number
  storage?: KnownPeers
  clock: Clock
  random: Random
  events: Events
}

/** Kademlia takes 100 ms of processor to load: in a universe that starts, when all serve, and not in all nodes at once. */
const DHT_AFTER_MS = 10_000

export async function createLibp2pNetwork(init: Libp2pNetworkInit): Promise<Network> {
  return (await assemble(init, init.dhtAfterMs ?? DHT_AFTER_MS * (0.75 + 0.5 * init.random()))).network
}

/** The network and the host under it; tests end the host without the network's goodbye, and ping its connections more often. */
export async function assemble(
  init: Libp2pNetworkInit,
  startAfterMs: number,
  pingEveryMs?: number,
): Promise<{ network: Network; host: Host }> {
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
    transport: new Libp2pTransport({ host, prefix, dht: init.dht, clock, ...(pingEveryMs === undefined ? {} : { pingEveryMs }) }),
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
