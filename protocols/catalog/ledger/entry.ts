/**
 * One signed line of a feed, as it lies on disk and travels: `[payload, signature]` in deterministic dag-cbor, where `payload` is the bytes of
 * the envelope below and `signature` is Ed25519 (RFC 8032) over `osiris/entry/1`, a zero byte and the payload. Its hash is SHA-256 over all
 * the bytes as received, so signature and payload are both pinned by the `prev` of the entry after it.
 */
import type { KeyObject } from 'node:crypto'
import { z } from 'zod'
import { type Identity, publicKeyOf, universeId, verifySignature, type Universe } from '#protocols/access'
import { decode, digestOf, encode } from '#protocols/codec'
import { COUNTER_MAX, type Hlc } from './hlc.ts'

/** An entry must fit one gossip message and one frame. */
export const ENTRY_BYTES_MAX = 64 * 1024
/** Nothing we write nests deeper than 6; a bound keeps hostile bodies from costing stack in every later walk. */
const DEPTH_MAX = 32
const DOMAIN = Buffer.from('osiris/entry/1\0')
/** Keys kept parsed: turning bytes into a key costs as much as a third of a verification. */
const KEYS_MAX = 1024

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const envelopeSchema = z.strictObject({
  format: z.literal(1),
  /** `universeId`: an entry means nothing in any other universe. */
  universe: z.string().regex(/^[0-9a-f]{16}$/),
  /** Public key of the feed's owner. */
  author: hex64,
  /** 1, 2, 3… without gaps. */
  seq: z.int().min(1),
  /** Hash of the entry before; `null` for the first. */
  prev: hex64.nullable(),
  hlc: z.strictObject({ wallMs: z.int().min(0), counter: z.int().min(0).max(COUNTER_MAX) }),
  type: z.string().regex(/^[a-z][a-z0-9.-]{0,62}$/),
  /** Judged by the fold, by type; any map here, so that entries of newer nodes are kept and passed on. */
  body: z.record(z.string(), z.unknown()),
  /** Subject of the caller who asked for it. */
  by: z.string().max(256),
})
export type Envelope = z.infer<typeof envelopeSchema>

export interface Entry extends Envelope {
  hash: string
  bytes: Uint8Array
}

/** Why an entry was refused at the door. */
export type RefusalReason = 'oversized' | 'malformed' | 'universe' | 'signature' | 'drift' | 'order' | 'chain' | 'fork' | 'authority'

export class Refusal extends Error {
  readonly reason: RefusalReason
  constructor(reason: RefusalReason, message: string) {
    super(message)
    this.name = 'Refusal'
    this.reason = reason
  }
}

export function signEntry(identity: Identity, envelope: Envelope): Entry {
  const payload = encode(envelope)
  const bytes = encode([payload, new Uint8Array(identity.sign(signed(payload)))])
  return { ...envelope, bytes, hash: digestOf(bytes) }
}

/** The entry in hostile bytes: well-formed, canonical and signed by its author. Its place in the feed is judged elsewhere. Throws `Refusal`. */
export function openEntry(bytes: Uint8Array): Entry {
  const { payload, signature } = split(bytes)
  const envelope = readEnvelope(payload)
  if (!isCanonical(bytes, [payload, signature]) || !isCanonical(payload, envelope))
    throw new Refusal('malformed', 'its bytes are not canonical')
  if (!verifySignature(keyOf(envelope.author), signed(payload), signature))
    throw new Refusal('signature', 'its signature is not by its author')
  return { ...envelope, bytes, hash: digestOf(bytes) }
}

/** The same for bytes whose hash is pinned by something verified: form and signature are not judged again. Throws `Refusal`. */
export function reopenEntry(bytes: Uint8Array, hash: string): Entry {
  const envelope = decode(split(bytes).payload) as Envelope
  return { ...envelope, bytes, hash }
}

/** The first entry of a universe, signed by its root. The same bytes each time, so whoever holds the root key may make it again. */
export function createGenesis(root: Identity, universe: Universe): Uint8Array {
  const body = { name: universe.name, root: universe.root }
  const place = { format: 1 as const, universe: universeId(universe), author: root.id, seq: 1, prev: null }
  return signEntry(root, { ...place, hlc: { wallMs: 0, counter: 0 }, type: 'genesis', body, by: 'root' }).bytes
}

/** Total order of all entries of a universe: by time, ties by author and seq. */
export interface Place extends Hlc {
  author: string
  seq: number
  hash: string
}

export function placeOf(entry: Entry): Place {
  return { wallMs: entry.hlc.wallMs, counter: entry.hlc.counter, author: entry.author, seq: entry.seq, hash: entry.hash }
}

export function comparePlaces(a: Place, b: Place): number {
  return a.wallMs - b.wallMs || a.counter - b.counter || compareText(a.author, b.author) || a.seq - b.seq || compareText(a.hash, b.hash)
}

/** By code unit: the same on every host, whatever its locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function split(bytes: Uint8Array): { payload: Uint8Array; signature: Uint8Array } {
  if (bytes.length > ENTRY_BYTES_MAX) throw new Refusal('oversized', `it has ${bytes.length} bytes, at most ${ENTRY_BYTES_MAX} are taken`)
  const parts = tryDecode(bytes)
  if (!Array.isArray(parts) || parts.length !== 2) throw new Refusal('malformed', 'it is not a pair of payload and signature')
  const [payload, signature] = parts as unknown[]
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) throw new Refusal('malformed', 'its parts are not bytes')
  return { payload, signature }
}

function readEnvelope(payload: Uint8Array): Envelope {
  const value = tryDecode(payload)
  if (depthExceeds(value, DEPTH_MAX)) throw new Refusal('malformed', `it nests deeper than ${DEPTH_MAX}`)
  const result = envelopeSchema.safeParse(value)
  if (!result.success) throw new Refusal('malformed', `its envelope is wrong at "${result.error.issues[0]?.path.join('.') ?? ''}"`)
  return result.data
}

function tryDecode(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch (error) {
    throw new Refusal('malformed', (error as Error).message)
  }
}

function isCanonical(bytes: Uint8Array, value: unknown): boolean {
  const again = encode(value)
  return Buffer.compare(bytes, again) === 0
}

function depthExceeds(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  if (left === 0) return true
  return Object.values(value).some((each) => depthExceeds(each, left - 1))
}

function signed(payload: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, payload])
}

const keys = new Map<string, KeyObject>()
function keyOf(author: string): KeyObject {
  const known = keys.get(author)
  if (known !== undefined) return known
  const key = publicKeyOf(author)
  if (keys.size >= KEYS_MAX) keys.delete(keys.keys().next().value as string)
  keys.set(author, key)
  return key
}
