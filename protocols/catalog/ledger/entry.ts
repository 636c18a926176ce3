/**
 * One signed line of a feed, as it lies on disk and travels: `[payload, signature]` in deterministic dag-cbor, where `payload` is the bytes of
 * the envelope below and `signature` is Ed25519 (RFC 8032) over `osiris/entry/1`, a zero byte and the payload. Its hash is SHA-256 over all
 * the bytes as received, so signature and payload are both pinned by the `prev` of the entry after it.
 */
import type { KeyObject } from 'node:crypto'
import { type Identity, publicKeyOf, universeId, verifySignature, verifySignatureAside, type Universe } from '#protocols/access'
import { dropOldest } from '#protocols/bounded'
import { decodeCanonical, digestOf, encode } from '#protocols/codec'
import type { Asker } from './asker.ts'
import type { BodyOf } from './bodies.ts'
import { COUNTER_MAX, type Hlc } from './hlc.ts'

/** An entry must fit one gossip message and one frame. */
export const ENTRY_BYTES_MAX = 64 * 1024
/** Nothing we write nests deeper than 6; a bound keeps hostile bodies from costing stack in every later walk. */
export const ENTRY_DEPTH_MAX = 32
const DOMAIN = Buffer.from('osiris/entry/1\0')
/** Keys kept parsed: turning bytes into a key costs as much as a third of a verification. */
const KEYS_MAX = 1024

export interface Envelope {
  format: 1
  /** `universeId`: an entry means nothing in any other universe. */
  universe: string
  /** Public key of the feed's owner. */
  author: string
  /** 1, 2, 3… without gaps. */
  seq: number
  /** Hash of the entry before; `null` for the first. */
  prev: string | null
  hlc: Hlc
  type: string
  /** Judged by the fold, by type; any map here, so that entries of newer nodes are kept and passed on. */
  body: Record<string, unknown>
  /** What the caller who asked for it calls itself: a label, and no more. */
  by: string
  /** Whose token asked for it; absent: the node by itself. */
  asker?: Asker
  /** Hash of the entry that gave the author the authority this one stands on; `null` for the root's and the recovery key's own. */
  grant: string | null
}

/** What each key holds; exactly these keys. By hand: every entry passes here, and a schema would cost it a fifth of its signature. */
const ENVELOPE: { readonly [K in keyof Required<Envelope>]: (value: unknown) => boolean } = {
  format: (value) => value === 1,
  universe: (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value),
  author: isHex64,
  seq: (value) => isWhole(value) && value >= 1,
  prev: (value) => value === null || isHex64(value),
  hlc: isHlc,
  type: (value) => typeof value === 'string' && /^[a-z][a-z0-9.-]{0,62}$/.test(value),
  body: isMap,
  by: (value) => typeof value === 'string' && value.length <= 256,
  asker: (value) => value === undefined || isAsker(value),
  grant: (value) => value === null || isHex64(value),
}
const ENVELOPE_KEYS = Object.keys(ENVELOPE) as (keyof Envelope)[]

/** An entry as its effects are told from it; where its bytes lie is known by author and seq. */
export interface Line extends Envelope {
  hash: string
  /** Of lines out of a checkpoint: whether the body fits its type, and the version it publishes. */
  known?: { fits: boolean; version: string | null }
}

export interface Entry extends Line {
  bytes: Uint8Array
}

/** Why an entry was refused at the door. */
export type RefusalReason =
  | 'oversized'
  | 'malformed'
  | 'universe'
  | 'signature'
  | 'drift'
  | 'order'
  | 'chain'
  | 'fork'
  | 'frozen'
  | 'authority'
  /** Its author brings too much that has no effect. */
  | 'quota'
  /** Not looked at: its sender sent too much that was refused. */
  | 'flood'

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
  const { entry, payload, signature } = readEntry(bytes)
  if (!verifySignature(keyOf(entry.author), signed(payload), signature)) throw notSigned()
  return entry
}

/**
 * Where the signatures of many entries are verified: on the `threads` of the host (on two cores nearly twice as many a second), or `here`, for
 * whoever needs the same order of events each time.
 */
export type VerifyOn = 'threads' | 'here'

/** The same for several at once, each with its own verdict, in their order. */
export async function openEntries(list: readonly Uint8Array[], on: VerifyOn = 'threads'): Promise<(Entry | Refusal)[]> {
  return on === 'here' ? list.map(openHere) : Promise.all(list.map(openAside))
}

function openHere(bytes: Uint8Array): Entry | Refusal {
  try {
    return openEntry(bytes)
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

async function openAside(bytes: Uint8Array): Promise<Entry | Refusal> {
  try {
    const { entry, payload, signature } = readEntry(bytes)
    return (await verifySignatureAside(keyOf(entry.author), signed(payload), signature)) ? entry : notSigned()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** Form only, of bytes that a later entry's signature covers through the chain. Throws `Refusal`. */
export function openUnsigned(bytes: Uint8Array): Entry {
  return readEntry(bytes).entry
}

/** The same for bytes whose hash is pinned by something verified: form and signature are not judged again. Throws `Refusal`. */
export function reopenEntry(bytes: Uint8Array, hash: string): Entry {
  const envelope = decodeOrRefuse(split(bytes).payload, ENTRY_DEPTH_MAX) as Envelope
  return { ...envelope, bytes, hash }
}

/** The first entry of a universe, signed by its root. The same bytes each time, so whoever holds the root key may make it again. */
export function createGenesis(root: Identity, universe: Universe, recovery: string | null = null): Uint8Array {
  const body = { name: universe.name, root: universe.root, recovery }
  const place = { format: 1 as const, universe: universeId(universe), author: root.id, seq: 1, prev: null }
  return signEntry(root, { ...place, hlc: { wallMs: 0, counter: 0 }, type: 'genesis', body, by: 'root', grant: null }).bytes
}

/** What the root of a universe writes before there is any node, at that time: the genesis, and these admissions. For worlds made beforehand. */
export function createFounding(
  root: Identity,
  universe: Universe,
  admissions: readonly BodyOf<'admit'>[],
  wallMs: number,
  recovery: string | null = null,
): Entry[] {
  const founding = [openEntry(createGenesis(root, universe, recovery))]
  for (const body of admissions) {
    const before = founding.at(-1) as Entry
    const place = { format: 1 as const, universe: universeId(universe), author: root.id, seq: before.seq + 1, prev: before.hash }
    founding.push(signEntry(root, { ...place, hlc: { wallMs, counter: before.seq }, type: 'admit', body, by: 'root', grant: null }))
  }
  return founding
}

/** Total order of all entries of a universe: by time, ties by author and seq. */
export interface Place extends Hlc {
  author: string
  seq: number
  hash: string
}

export function placeOf(entry: Line): Place {
  return { wallMs: entry.hlc.wallMs, counter: entry.hlc.counter, author: entry.author, seq: entry.seq, hash: entry.hash }
}

export function comparePlaces(a: Place, b: Place): number {
  return a.wallMs - b.wallMs || a.counter - b.counter || compareText(a.author, b.author) || a.seq - b.seq || compareText(a.hash, b.hash)
}

/** By code unit: the same on every host, whatever its locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Form only: whether the author signed it is not known yet. */
function readEntry(bytes: Uint8Array): { entry: Entry; payload: Uint8Array; signature: Uint8Array } {
  const { payload, signature } = split(bytes)
  return { entry: { ...readEnvelope(payload), bytes, hash: digestOf(bytes) }, payload, signature }
}

function notSigned(): Refusal {
  return new Refusal('signature', 'its signature is not by its author')
}

function split(bytes: Uint8Array): { payload: Uint8Array; signature: Uint8Array } {
  if (bytes.length > ENTRY_BYTES_MAX) throw new Refusal('oversized', `it has ${bytes.length} bytes, at most ${ENTRY_BYTES_MAX} are taken`)
  const parts = decodeOrRefuse(bytes, 1)
  if (!Array.isArray(parts) || parts.length !== 2) throw new Refusal('malformed', 'it is not a pair of payload and signature')
  const [payload, signature] = parts as unknown[]
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) throw new Refusal('malformed', 'its parts are not bytes')
  return { payload, signature }
}

function readEnvelope(payload: Uint8Array): Envelope {
  const value = decodeOrRefuse(payload, ENTRY_DEPTH_MAX)
  if (!isMap(value)) throw new Refusal('malformed', 'its envelope is not a map')
  const wrong = ENVELOPE_KEYS.find((key) => !ENVELOPE[key](value[key]))
  if (wrong !== undefined) throw new Refusal('malformed', `its envelope is wrong at "${wrong}"`)
  const lacking = value['asker'] === undefined ? 1 : 0
  if (Object.keys(value).length !== ENVELOPE_KEYS.length - lacking)
    throw new Refusal('malformed', 'its envelope has keys that are not known')
  return value as unknown as Envelope
}

function isHex64(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function isAsker(value: unknown): boolean {
  if (!isMap(value) || Object.keys(value).length !== 2) return false
  return isHex64(value['key']) && (value['grant'] === null || isHex64(value['grant']))
}

function isHlc(value: unknown): boolean {
  if (!isMap(value) || Object.keys(value).length !== 2) return false
  return isWhole(value['wallMs']) && isWhole(value['counter']) && value['counter'] <= COUNTER_MAX
}

function decodeOrRefuse(bytes: Uint8Array, depthMax: number): unknown {
  try {
    return decodeCanonical(bytes, depthMax)
  } catch (error) {
    throw new Refusal('malformed', (error as Error).message)
  }
}

function signed(payload: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, payload])
}

const keys = new Map<string, KeyObject>()
function keyOf(author: string): KeyObject {
  const known = keys.get(author)
  if (known !== undefined) return known
  const key = publicKeyOf(author)
  dropOldest(keys, KEYS_MAX)
  keys.set(author, key)
  return key
}
