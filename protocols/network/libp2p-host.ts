/** How the libp2p host is put together. */
import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Libp2p, Logger } from '@libp2p/interface'
import type { KadDHTComponents } from '@libp2p/kad-dht'
import { createLibp2p } from 'libp2p'
import { createIdentity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { Dht, type DhtInit } from './libp2p-dht.ts'
import { connectionProtector } from './libp2p-protector.ts'
import { TOPIC_BYTES_MAX } from './limits.ts'

export interface HostInit {
  seed: Uint8Array
  swarmKey: Uint8Array
  listen: readonly string[]
  /** In front of every protocol name: `osiris/<universe id>`. */
  prefix: string
  dht: DhtInit
}

export type Host = Awaited<ReturnType<typeof createHost>>

/** libp2p makes a logger for each connection and stream, and with each asks whether there is a terminal. */
const SILENT: Logger = Object.assign((): void => {}, {
  enabled: false,
  error: (): void => {},
  trace: (): void => {},
  newScope: () => SILENT,
})

/** Topics a peer may announce cost it about 1 KiB each of this budget. */
const TOPIC_BUDGET_BYTES = 64 * 1024

export async function createHost({ seed, swarmKey, listen, prefix, dht }: HostInit) {
  if (swarmKey.length !== 32) throw new OsirisError('internal', 'Cannot make a host: the swarm key is not 32 bytes')
  const psk = Buffer.from(`/key/swarm/psk/1.0.0/\n/base16/\n${Buffer.from(swarmKey).toString('hex')}`)
  const host = await createLibp2p({
    start: false,
    // With its public key: libp2p itself takes 24 ms of processor to find that.
    privateKey: privateKeyFromRaw(Buffer.concat([seed, Buffer.from(createIdentity(seed).id, 'hex')])),
    addresses: { listen: [...listen] },
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionProtector: connectionProtector(psk),
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxInboundStreams: 64, maxOutboundStreams: 64 })],
    connectionManager: {
      // A whole universe on one machine shares one address; everybody else keeps the limits per host.
      allow: ['/ip4/127.0.0.0/ipcidr/8', '/ip6/::1/ipcidr/128'],
      maxIncomingPendingConnections: 64,
      dialTimeout: 5_000,
      reconnectRetries: 0,
    },
    // libp2p-monitor.ts instead.
    connectionMonitor: { enabled: false },
    logger: { forComponent: () => SILENT },
    // A record that ages is forgotten while its peer is connected, and gossip then never hears that it left.
    peerStore: { maxPeerAge: Number.POSITIVE_INFINITY, maxAddressAge: Number.POSITIVE_INFINITY },
    services: {
      // Once per connection: what a node can do and where it listens never changes while it runs.
      identify: identify({ protocolPrefix: prefix }),
      ping: ping({ protocolPrefix: prefix }),
      pubsub: gossipsub({
        protocols: [`/${prefix}/meshsub/1.1.0`],
        allowPublishToZeroTopicPeers: true,
        // A node's own messages go to all its peers; what the mesh repeats after that is for those it is not connected to.
        floodPublish: true,
        D: 4,
        Dlo: 3,
        Dhi: 6,
        Dscore: 3,
        Dout: 1,
        Dlazy: 4,
        globalSignaturePolicy: 'StrictSign',
        // Copies of a message already seen are dropped before their signature is checked.
        fastMsgIdFn: ({ from, seqno }) => `${Buffer.from(from ?? []).toString('latin1')}${Buffer.from(seqno ?? []).toString('latin1')}`,
        maxInboundDataLength: 16 * TOPIC_BYTES_MAX,
        maxOutboundBufferSize: 64 * TOPIC_BYTES_MAX,
        maxTopicBytesPerPeer: TOPIC_BUDGET_BYTES,
        decodeRpcLimits: {
          maxSubscriptions: 128,
          maxMessages: 512,
          maxIhaveMessageIDs: 5_000,
          maxIwantMessageIDs: 5_000,
          maxIdontwantMessageIDs: 512,
          maxControlMessages: 512,
          maxPeerInfos: 16,
        },
        scoreParams: { IPColocationFactorWhitelist: new Set(['127.0.0.1', '::1']) },
      }),
      dht: (components: KadDHTComponents & { connectionProtector?: unknown }) => {
        // libp2p itself accepts a host without one and would then talk to anybody.
        if (components.connectionProtector === undefined) throw new OsirisError('internal', 'Cannot make a host: it has no pre-shared key')
        return new Dht(components, dht)
      },
    },
  })
  spareNotes(host)
  return host
}

/** With each stream libp2p notes that the peer speaks its protocol, with each introduction what its program is called: a record written anew each time, for what is known or read by nobody. */
function spareNotes({ peerId, peerStore }: Pick<Libp2p, 'peerId' | 'peerStore'>): void {
  const merge = peerStore.merge.bind(peerStore)
  peerStore.merge = (peer, data, options) => {
    const isNote = !peer.equals(peerId) && Object.keys(data).every((each) => each === 'protocols' || each === 'metadata')
    return isNote
      ? Promise.resolve({ id: peer, addresses: [], protocols: [], metadata: new Map(), tags: new Map() })
      : merge(peer, data, options)
  }
}
