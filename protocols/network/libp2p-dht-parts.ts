/** The host as kad-dht sees it: it may use the connections there are, and open those that a question needs, to members. Nothing else it does opens one. */
import type { KadDHTComponents } from '@libp2p/kad-dht'
import { multiaddr } from '@multiformats/multiaddr'
import { OsirisError } from '#protocols/errors'
import type { Peer } from './network.ts'
import { whereIs } from './peer.ts'

type Manager = KadDHTComponents['connectionManager']
type Registrar = KadDHTComponents['registrar']
type Target = Parameters<Manager['openStream']>[0]
/** What answers a stream that a peer opened. */
export type Answerer = Parameters<Registrar['handle']>[1]

export interface DhtPartsInit {
  components: KadDHTComponents
  datastore: KadDHTComponents['datastore']
  /** Where a member listens; nothing of anybody else. */
  addressesOf: (peer: Peer) => readonly string[]
  /** Hears who answers from now on: the protocol itself was announced before. */
  answerBy: (answerer: Answerer) => void
}

export function dhtParts({ components, datastore, addressesOf, answerBy }: DhtPartsInit): KadDHTComponents {
  const { connectionManager, registrar } = components
  const parts: Partial<KadDHTComponents> = {
    datastore,
    ping: { ping: async (peer) => assertConnected(connectionManager, peer) },
    connectionManager: instead(connectionManager, {
      openStream: async (to, protocol, options) => {
        const connection = await connectionManager.openConnection(targetOf(connectionManager, to, addressesOf), options)
        return connection.newStream(protocol, options)
      },
    }),
    // To take the protocol back and announce it again would have every peer told, twice.
    registrar: instead(registrar, { handle: async (_, answerer) => answerBy(answerer), unhandle: async () => {} }),
  }
  return instead(components, parts)
}

/**
 * kad-dht pings whomever it hears of before it remembers them, which would connect all with all; a peer that was connected to is known well enough.
 * Throws `unavailable` for any other.
 */
function assertConnected(manager: Manager, peer: Target): number {
  if ('toMultihash' in peer && manager.getConnections(peer).length > 0) return 0
  throw new OsirisError('unavailable', 'Cannot remember a peer of the DHT: there is no connection to it')
}

/** kad-dht itself knows no address of a peer that another one has named. */
function targetOf(manager: Manager, to: Target, addressesOf: DhtPartsInit['addressesOf']): Target {
  if (!('toMultihash' in to) || manager.getConnections(to).length > 0) return to
  const addresses = whereIs(to.toString(), addressesOf(to.toString()))
  return addresses.length === 0 ? to : addresses.map((each) => multiaddr(each))
}

/** The same object with other methods in the place of some; all others go on working on the object itself. */
function instead<T extends object>(all: T, some: Partial<T>): T {
  return new Proxy(all, {
    get(target, name) {
      if (Object.hasOwn(some, name)) return Reflect.get(some, name) as unknown
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
