/** Peer ids of Ed25519 keys (https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md), without loading libp2p. */
import { base58btc } from 'multiformats/bases/base58'
import type { Peer } from './network.ts'

/** Identity multihash of the protobuf `{ Type: Ed25519, Data: <32 bytes> }`. */
const PREFIX = Buffer.from('002408011220', 'hex')

/** The peer of an identity's id (64 hex characters). */
export function peerOf(id: string): Peer {
  return base58btc.baseEncode(Buffer.concat([PREFIX, Buffer.from(id, 'hex')]))
}

/** The identity's id behind a peer; undefined when it is not the text of an Ed25519 key. */
export function identityOf(peer: Peer): string | undefined {
  if (peer.length > 64) return undefined
  try {
    const bytes = Buffer.from(base58btc.baseDecode(peer))
    return bytes.length === PREFIX.length + 32 && bytes.subarray(0, PREFIX.length).equals(PREFIX)
      ? bytes.toString('hex', PREFIX.length)
      : undefined
  } catch {
    return undefined
  }
}

/** Multiaddrs at which nobody but this peer may answer, whatever they say. */
export function whereIs(peer: Peer, addresses: readonly string[]): string[] {
  const suffix = `/p2p/${peer}`
  return addresses.map((address) => (address.endsWith(suffix) ? address : address + suffix))
}

/** The peer id at the end of a multiaddr, if there is one. */
export function peerInAddress(address: string): Peer | undefined {
  return /\/p2p\/([1-9A-HJ-NP-Za-km-z]+)$/.exec(address)?.[1]
}
