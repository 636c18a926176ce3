/**
 * A checkpoint that several catalogs signed: how far every feed goes, and what all of it comes to. Feeds are chains, so the hash of an entry names
 * every byte before it: a feed is cut into chunks, and each is named by the hash of its last entry. Deterministic dag-cbor. The content is the same
 * bytes for everybody who signs; a statement is `[payload, signature]`, Ed25519 (RFC 8032) over `osiris/checkpoint/shared/1`, a zero byte and the
 * payload. It travels as `[payload, signature, content]`.
 */
import { z } from 'zod'
import { type Identity, keySchema, publicKeyOf, verifySignature } from '#protocols/access'
import { decodeCanonical, digestOf, encode, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { digestSchema } from '#protocols/manifest'
import { compareText } from '../entry.ts'
import type { Head } from '../feeds.ts'
import { FROZEN_MAX, type FrozenAuthor } from '../forks/frozen.ts'

/** Entries of one chunk; the last one of a feed may have fewer. */
export const CHUNK_ENTRIES = 256
/** About a thousand feeds, or a million entries; of more no checkpoint is made. */
export const CONTENT_BYTES_MAX = 256 * 1024
const PAYLOAD_BYTES_MAX = 512
const SIGNATURE_BYTES = 64
export const STATEMENT_BYTES_MAX = CONTENT_BYTES_MAX + PAYLOAD_BYTES_MAX + SIGNATURE_BYTES + 16
const HASH_BYTES = 32
/** What content nests: a list of maps in a map. */
const DEPTH_MAX = 3
const DOMAIN = Buffer.from('osiris/checkpoint/shared/1\0')

const universeSchema = z.string().regex(/^[0-9a-f]{16}$/)
const contentSchema = z.strictObject({
  universe: universeSchema,
  /** `viewDigest` of these entries and no others. */
  view: digestSchema,
  /** Whom the proofs of equivocation that were known froze, by author. */
  frozen: z.array(z.strictObject({ author: keySchema, seq: z.int().min(1) })).max(FROZEN_MAX),
  /** By author. `pins`: the hashes of entries 256, 512, …, before the last, one after the other. */
  feeds: z.array(z.strictObject({ author: keySchema, seq: z.int().min(1), hash: digestSchema, pins: z.instanceof(Uint8Array) })).min(1),
})
const payloadSchema = z.strictObject({
  universe: universeSchema,
  signer: keySchema,
  /** Digest of the content. */
  content: digestSchema,
  /** Milliseconds since the epoch, by the signer's clock. */
  atMs: z.int().min(0),
})

/** "I verified each of these entries myself, in full, and what they come to is this view." */
export interface Content extends z.infer<typeof contentSchema> {
  digest: string
  /** How many there are. */
  entries: number
  bytes: Uint8Array
}

export interface SharedStatement extends z.infer<typeof payloadSchema> {
  payload: Uint8Array
  signature: Uint8Array
}

/** What a node hands out: one content, and who signed it. */
export interface Offer {
  content: Content
  statements: SharedStatement[]
}

/** A piece of a feed. `after`, `hash`: of the entry before the first one, and of the last one. */
export interface Chunk {
  author: string
  from: number
  to: number
  after: string | null
  hash: string
}

/** `undefined` where it does not fit. */
export function makeContent(of: {
  universe: string
  view: string
  frozen: readonly FrozenAuthor[]
  heads: readonly Head[]
  hashAt: (author: string, seq: number) => string | undefined
}): Content | undefined {
  const { universe, view, frozen, heads, hashAt } = of
  const feeds = heads.map(({ author, seq, hash }) => ({ author, seq, hash, pins: pinsOf(seq, (at) => hashAt(author, at) ?? '') }))
  const bytes = encode({ universe, view, frozen, feeds })
  return bytes.length <= CONTENT_BYTES_MAX && heads.length > 0 ? openContent(bytes) : undefined
}

/** Hostile bytes. Throws `invalid_argument`. */
export function openContent(bytes: Uint8Array): Content {
  if (bytes.length > CONTENT_BYTES_MAX) throw refusal(`it has ${bytes.length} bytes, at most ${CONTENT_BYTES_MAX} are taken`)
  const content = parse(contentSchema, decodeCanonical(bytes, DEPTH_MAX), 'a checkpoint')
  const { feeds, frozen } = content
  if (!isAscending(feeds) || !isAscending(frozen)) throw refusal('its authors are not in order')
  if (feeds.some(({ seq, pins }) => pins.length !== HASH_BYTES * pinsBefore(seq))) throw refusal('its pins do not fit its feeds')
  const ends = new Map(frozen.map(({ author, seq }) => [author, seq]))
  if (feeds.some(({ author, seq }) => seq >= (ends.get(author) ?? Number.POSITIVE_INFINITY)))
    throw refusal('it goes on after a fork that it names')
  return { ...content, digest: digestOf(bytes), entries: feeds.reduce((sum, { seq }) => sum + seq, 0), bytes }
}

export function signContent(identity: Identity, content: Content, atMs: number): SharedStatement {
  const said = { universe: content.universe, signer: identity.id, content: content.digest, atMs }
  const payload = encode(said)
  return { ...said, payload, signature: new Uint8Array(identity.sign(signed(payload))) }
}

export function packStatement(content: Content, { payload, signature }: SharedStatement): Uint8Array {
  return encode([payload, signature, content.bytes])
}

/** One statement with its content, out of hostile bytes: well-formed and signed; whether the signer counts is judged elsewhere. Throws `invalid_argument`. */
export function openStatement(bytes: Uint8Array): Offer & { statement: SharedStatement } {
  if (bytes.length > STATEMENT_BYTES_MAX) throw refusal(`it has ${bytes.length} bytes, at most ${STATEMENT_BYTES_MAX} are taken`)
  const blob = z.instanceof(Uint8Array)
  const [payload, signature, contentBytes] = parse(z.tuple([blob, blob, blob]), decodeCanonical(bytes, 1), 'a checkpoint')
  const content = openContent(contentBytes)
  const statement = openSigned(payload, signature, content)
  return { content, statement, statements: [statement] }
}

export function packOffer({ content, statements }: Offer): Uint8Array {
  return encode([content.bytes, statements.map(({ payload, signature }) => [payload, signature])])
}

/** A content with at most `signersMax` statements about it, each by another key. Throws `invalid_argument`. */
export function openOffer(bytes: Uint8Array, signersMax: number): Offer {
  const blob = z.instanceof(Uint8Array)
  const shape = z.tuple([
    blob,
    z
      .array(z.tuple([blob, blob]))
      .min(1)
      .max(signersMax),
  ])
  const [contentBytes, pairs] = parse(shape, decodeCanonical(bytes, DEPTH_MAX), 'an offered checkpoint')
  const content = openContent(contentBytes)
  const statements = pairs.map(([payload, signature]) => openSigned(payload, signature, content))
  if (new Set(statements.map((each) => each.signer)).size < statements.length) throw refusal('one key signed it twice')
  return { content, statements }
}

/** The pieces of its feeds from what is here on: `seqOf` says how far a feed is. */
export function chunksOf({ feeds }: Content, seqOf: (author: string) => number): Chunk[] {
  return feeds.flatMap(({ author, seq, hash, pins }) => {
    const chunks: Chunk[] = []
    const pinAt = (at: number) => Buffer.from(pins.buffer, pins.byteOffset + (at - 1) * HASH_BYTES, HASH_BYTES).toString('hex')
    for (let number = Math.floor(seqOf(author) / CHUNK_ENTRIES); number * CHUNK_ENTRIES < seq; number += 1) {
      const to = Math.min(seq, (number + 1) * CHUNK_ENTRIES)
      const after = number === 0 ? null : pinAt(number)
      chunks.push({ author, from: number * CHUNK_ENTRIES + 1, to, after, hash: to === seq ? hash : pinAt(number + 1) })
    }
    return chunks
  })
}

/** Throws `invalid_argument` unless every hash it names is the one that is here, all feeds as far as they go. */
export function requireHere(content: Content, hashAt: (author: string, seq: number) => string | undefined): void {
  const wrong = chunksOf(content, () => 0).find((chunk) => hashAt(chunk.author, chunk.to) !== chunk.hash)
  if (wrong !== undefined) throw refusal(`entry ${wrong.to} of ${wrong.author.slice(0, 8)} is another one here`)
}

export function refusal(state: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot take the checkpoint: ${state}`)
}

function openSigned(payload: Uint8Array, signature: Uint8Array, content: Content): SharedStatement {
  if (payload.length > PAYLOAD_BYTES_MAX || signature.length !== SIGNATURE_BYTES) throw refusal('its statement has not the right size')
  const said = parse(payloadSchema, decodeCanonical(payload, 1), 'a statement about a checkpoint')
  if (said.content !== content.digest || said.universe !== content.universe) throw refusal('what was signed is another content')
  if (!verifySignature(publicKeyOf(said.signer), signed(payload), signature)) throw refusal('its signature is not by its signer')
  return { ...said, payload, signature }
}

function pinsBefore(seq: number): number {
  return Math.floor((seq - 1) / CHUNK_ENTRIES)
}

function pinsOf(seq: number, hashAt: (seq: number) => string): Uint8Array {
  const hashes = Array.from({ length: pinsBefore(seq) }, (_, at) => Buffer.from(hashAt((at + 1) * CHUNK_ENTRIES), 'hex'))
  return new Uint8Array(Buffer.concat(hashes))
}

function isAscending(list: readonly { author: string }[]): boolean {
  return list.every(({ author }, at) => at === 0 || compareText((list[at - 1] as { author: string }).author, author) < 0)
}

function signed(payload: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, payload])
}
