/**
 * A piece of a checkpoint: many entries in a form that is quick to read back, as dag-cbor `[authors, settings, rows]`. What the entries of a
 * function repeat is there once (authors, settings, provenance), what was found out about each once (whether its body fits its type, the version it
 * publishes) stands with it, and signatures are left to the entries themselves.
 */
import { z } from 'zod'
import { decodeCanonical, encode, parse } from '#protocols/codec'
import { versionOf } from '#protocols/manifest'
import { bodyOf, bodySchemas, type EntryType } from '../bodies.ts'
import { type Entry, type Envelope, ENTRY_DEPTH_MAX, type Line } from '../entry.ts'

/** Entries of one chunk: about 150 KB, 5 ms of reading. */
export const CHUNK_ROWS = 512
/** List, rows, row and body around what an entry may nest. */
const DEPTH_MAX = ENTRY_DEPTH_MAX + 4

/** Place of the author, seq, time, hash, what else the envelope says, body (settings and provenance by place), whether it fits its type, version. */
type Row = [number, number, number, number, Uint8Array, Record<string, unknown>, Record<string, unknown>, boolean, string | null]

const chunkSchema = z.tuple([z.array(z.string()), z.array(z.unknown()), z.array(z.array(z.unknown()).length(9))])

export function packChunk(entries: readonly Entry[]): Uint8Array {
  const authors = new Places<string>()
  const settings = new Places<unknown>()
  const rows = entries.map((entry) => rowOf(entry, authors, settings))
  return encode([authors.values, settings.values, rows])
}

/** The lines of a chunk whose hash was checked. `hashOf` knows the line before each: the chain is not stored. Throws `invalid_argument`. */
export function* unpackChunk(
  bytes: Uint8Array,
  universe: string,
  hashOf: (author: string, seq: number) => string | undefined,
): Generator<Line> {
  const [authors, settings, rows] = parse(chunkSchema, decodeCanonical(bytes, DEPTH_MAX), 'a chunk of a checkpoint')
  for (const row of rows as unknown as Row[]) {
    const [at, seq, wallMs, counter, hash, rest, body, fits, version] = row
    const author = authors[at] as string
    yield {
      ...(rest as Pick<Envelope, 'type' | 'by'>),
      ...{ format: 1, universe, author, seq, prev: hashOf(author, seq - 1) ?? null, hlc: { wallMs, counter } },
      hash: Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('hex'),
      body: version === null ? body : withSettings(body, settings),
      known: { fits, version },
    } as Line
  }
}

function rowOf(entry: Entry, authors: Places<string>, settings: Places<unknown>): Row {
  const { format: _format, universe: _universe, author, seq, prev: _prev, hlc, body, hash, bytes: _bytes, known: _known, ...rest } = entry
  const manifest = entry.type === 'publish' ? bodyOf(entry, 'publish')?.manifest : undefined
  const place = [authors.of(author, author), seq, hlc.wallMs, hlc.counter, Buffer.from(hash, 'hex')] as const
  if (manifest === undefined) return [...place, rest, body, fits(entry), null]
  const at = (value: unknown) => settings.of(JSON.stringify(value), value)
  const packed = { ...manifest, settings: at(manifest.settings), provenance: at(manifest.provenance) }
  return [...place, rest, { ...body, manifest: packed }, true, versionOf(manifest)]
}

function fits(entry: Entry): boolean {
  return Object.hasOwn(bodySchemas, entry.type) && bodyOf(entry, entry.type as EntryType) !== undefined
}

function withSettings(body: Record<string, unknown>, settings: readonly unknown[]): Record<string, unknown> {
  const manifest = body['manifest'] as Record<string, unknown>
  for (const key of ['settings', 'provenance']) manifest[key] = settings[manifest[key] as number]
  return body
}

/** Each value once, by a text that tells it from the others. */
class Places<T> {
  readonly values: T[] = []
  readonly #at = new Map<string, number>()

  of(key: string, value: T): number {
    const known = this.#at.get(key)
    if (known !== undefined) return known
    this.#at.set(key, this.values.length)
    this.values.push(value)
    return this.values.length - 1
  }
}
