/** Whom a node knows and how lately, in 20 bytes a member: what it need not be told again. */
import { OsirisError } from '#protocols/errors'
import { MEMBERS_MAX } from './limits.ts'
import type { Peer } from './network.ts'

/** The last characters of a peer stand for it: 70 bits. Of two members with the same ones, the later beat is taken for both: one of them is then heard of by its own word only. */
const NAME_BYTES = 12
const AT_BYTES = 8
const ROW_BYTES = NAME_BYTES + AT_BYTES
export const DIGEST_BYTES_MAX = MEMBERS_MAX * ROW_BYTES

/** By when each was heard last, in the time of its own beats. */
export type Digest = ReadonlyMap<string, number>

const nameOf = (peer: Peer): string => peer.slice(-NAME_BYTES)

export function encodeDigest(rows: Iterable<readonly [peer: Peer, at: number]>): Uint8Array {
  const all = [...rows].filter(([peer]) => peer.length >= NAME_BYTES).slice(0, MEMBERS_MAX)
  const bytes = Buffer.alloc(all.length * ROW_BYTES)
  for (const [index, [peer, at]] of all.entries()) {
    bytes.write(nameOf(peer), index * ROW_BYTES, 'latin1')
    bytes.writeDoubleBE(at, index * ROW_BYTES + NAME_BYTES)
  }
  return bytes
}

/** Throws `invalid_argument` for anything that is none. */
export function decodeDigest(bytes: Uint8Array): Digest {
  if (bytes.length > DIGEST_BYTES_MAX || bytes.length % ROW_BYTES !== 0) {
    throw new OsirisError('invalid_argument', `Cannot read a digest of members: it is ${bytes.length} bytes long`)
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rows = new Map<string, number>()
  for (let start = 0; start < view.length; start += ROW_BYTES) {
    const name = view.toString('latin1', start, start + NAME_BYTES)
    rows.set(name, Math.max(rows.get(name) ?? 0, view.readDoubleBE(start + NAME_BYTES)))
  }
  return rows
}

/** Whether whoever has the digest has no beat of this peer, or an older one. */
export function lacks(digest: Digest, peer: Peer, at: number): boolean {
  return !((digest.get(nameOf(peer)) ?? -1) >= at)
}
