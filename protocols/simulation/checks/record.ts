/** What lies on a disk, read without the code under test: the format as the catalog's README tells it. */
import { createHash } from 'node:crypto'
import { publicKeyOf, verifySignature } from '#protocols/access'
import { decode } from '#protocols/codec'

export interface StoredEntry {
  hash: string
  universe: string
  author: string
  seq: number
  prev: string | null
  hlc: { wallMs: number; counter: number }
  type: string
  by: string
  body: Record<string, unknown>
  bytes: Uint8Array
  /** Whether the author's key signed it. */
  signed: boolean
}

const DOMAIN = Buffer.from('osiris/entry/1\0')
const HASH_BYTES = 32
const KNOWN_MAX = 10_000
const known = new Map<string, StoredEntry>()

/** What is on a disk is never changed in place. */
const read = new WeakMap<Uint8Array, StoredEntry | string>()

/** The entry in a record of a disk; a sentence where it is none. */
export function readRecord(value: Uint8Array): StoredEntry | string {
  let entry = read.get(value)
  if (entry === undefined) read.set(value, (entry = readHashed(value)))
  return entry
}

function readHashed(value: Uint8Array): StoredEntry | string {
  const bytes = value.subarray(HASH_BYTES)
  const hash = Buffer.from(value.subarray(0, HASH_BYTES)).toString('hex')
  if (createHash('sha256').update(bytes).digest('hex') !== hash) return 'its hash is not that of its bytes'
  return readEntry(bytes, hash)
}

/** The hash a record carries in front. */
export function hashIn(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value.subarray(0, HASH_BYTES)).toString('hex')
}

function readEntry(bytes: Uint8Array, hash: string): StoredEntry | string {
  const before = known.get(hash)
  if (before !== undefined) return before
  try {
    const [payload, signature] = decode(bytes) as [Uint8Array, Uint8Array]
    const envelope = decode(payload) as Omit<StoredEntry, 'hash' | 'bytes' | 'signed'>
    const signed = verifySignature(publicKeyOf(envelope.author), Buffer.concat([DOMAIN, payload]), signature)
    const entry = { ...envelope, hash, bytes, signed }
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(hash, entry)
    return entry
  } catch (error) {
    return `it does not read as an entry (${(error as Error).message})`
  }
}

const RECORD = /^entry\/([0-9a-f]{64})\/(\d{16})$/
/** Whose entry a key names; nothing for keys of other things. */
export function placeIn(key: string): { author: string; seq: number } | undefined {
  const match = RECORD.exec(key)
  return match === null ? undefined : { author: match[1] as string, seq: Number(match[2]) }
}

export function keyOf(author: string, seq: number): string {
  return `entry/${author}/${seq.toString().padStart(16, '0')}`
}

const RECEIPT = /^receipt\/([0-9a-f]{64})\/(\d{16})\/([0-9a-f]{64})$/
/** Whose receipt of which entry a key names; nothing for keys of other things. */
export function receiptIn(key: string): { author: string; seq: number; holder: string } | undefined {
  const match = RECEIPT.exec(key)
  return match === null ? undefined : { author: match[1] as string, seq: Number(match[2]), holder: match[3] as string }
}

/** Digest of the code that an entry publishes. */
export function artifactIn({ body }: StoredEntry): string {
  return (body as { manifest: { artifact: { digest: string } } }).manifest.artifact.digest
}

/** The hash that a stored receipt is of. */
export function receiptedHash(value: Uint8Array): string {
  const [payload] = decode(value.subarray(HASH_BYTES)) as [Uint8Array]
  return (decode(payload) as { hash: string }).hash
}
