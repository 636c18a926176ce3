/**
 * What a node keeps so that it need not read every entry when it opens: all entries up to some seq of each author in chunks (chunk.ts), whose
 * hashes stand in one head record that this node signed. Entries behind it are read one by one. Records below it are verified when they are read
 * and by the scrub. On disk: `checkpoint/chunk/<number>`, `checkpoint/head`; a chunk and the head that names it are written in one batch.
 */
import { z } from 'zod'
import { type Identity, publicKeyOf, verifySignature } from '#protocols/access'
import { decode, decodeAs, digestOf, encode, parse } from '#protocols/codec'
import { digestSchema } from '#protocols/manifest'
import { unpackChunk } from './chunk.ts'
import type { Line } from '../entry.ts'
import { ENCODINGS, readValues, type Storage } from '#protocols/storage'

/** Raised when another body fits a type than before: a checkpoint made under other rules is not used. */
const RULES = 1
const DOMAIN = Buffer.from('osiris/checkpoint/1\0')
const HEAD_KEY = 'checkpoint/head'
/** Chunks read from the store at once. */
const READ_AT_ONCE = 16

const headSchema = z.strictObject({
  rules: z.literal(RULES),
  universe: z.string(),
  author: z.string(),
  /** Hash of each chunk, in order. */
  chunks: z.array(digestSchema),
})

/** One batch: the last chunk, new or again, and the head that names it. Throws what the store throws. */
export async function writeChunk(
  storage: Storage,
  identity: Identity,
  universe: string,
  before: readonly string[],
  chunk: Uint8Array,
): Promise<string> {
  const hash = digestOf(chunk)
  const payload = encode({ rules: RULES, universe, author: identity.id, chunks: [...before, hash] })
  const head = encode([payload, new Uint8Array(identity.sign(signed(payload)))])
  await storage.batch(
    [
      { type: 'put', key: chunkKey(before.length), value: chunk },
      { type: 'put', key: HEAD_KEY, value: head },
    ],
    { ...ENCODINGS, sync: false },
  )
  return hash
}

/** The hash of each chunk of the checkpoint this node wrote; none when there is none, or its head is damaged, foreign or made under other rules. */
export async function readHead(storage: Storage, author: string, universe: string): Promise<string[]> {
  const [value] = await readValues(storage, [HEAD_KEY])
  try {
    if (value === undefined) return []
    const [payload, signature] = parse(z.tuple([z.instanceof(Uint8Array), z.instanceof(Uint8Array)]), decode(value), 'a checkpoint')
    const head = decodeAs(headSchema, payload, 'a checkpoint')
    const good = head.author === author && head.universe === universe && verifySignature(publicKeyOf(author), signed(payload), signature)
    return good ? head.chunks : []
  } catch {
    return []
  }
}

/** The lines of each chunk in turn, up to the first chunk that is damaged or missing: what comes before it stands by itself. */
export async function* readChunks(
  storage: Storage,
  chunks: readonly string[],
  universe: string,
  hashOf: (author: string, seq: number) => string | undefined,
): AsyncGenerator<Iterable<Line>> {
  for (let from = 0; from < chunks.length; from += READ_AT_ONCE) {
    const hashes = chunks.slice(from, from + READ_AT_ONCE)
    const values = await readValues(
      storage,
      hashes.map((_, at) => chunkKey(from + at)),
    )
    for (const [at, hash] of hashes.entries()) {
      const value = values[at]
      if (value === undefined || digestOf(value) !== hash) return
      yield unpackChunk(value, universe, hashOf)
    }
  }
}

function chunkKey(number: number): string {
  return `checkpoint/chunk/${number.toString().padStart(8, '0')}`
}

function signed(payload: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, payload])
}
