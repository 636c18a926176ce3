/** Feeds as a disk has them: `README.md`, "Formats". */
import { z } from 'zod'
import { decodeAs } from '#protocols/codec'
import { readValues, type Storage, unsealRecord } from '#protocols/storage'
import { type Entry, openEntry, reopenEntry } from './entry.ts'

/** So that keys stand in the order of seqs. */
const SEQ_DIGITS = 16
/** What `head/<author>` holds. */
export const headSchema = z.strictObject({ seq: z.int().min(1), hash: z.string() })

export function recordKey(author: string, seq: number): string {
  return `entry/${author}/${seq.toString().padStart(SEQ_DIGITS, '0')}`
}

export function seqIn(key: string): number {
  return Number(key.slice(-SEQ_DIGITS))
}

export function headKey(author: string): string {
  return `head/${author}`
}

export function put(key: string, value: Uint8Array) {
  return { type: 'put' as const, key, value }
}

export function del(key: string) {
  return { type: 'del' as const, key }
}

export function readRecord(value: Uint8Array): Entry | undefined {
  const record = unsealRecord(value)
  if (record === undefined) return undefined
  try {
    return reopenEntry(record.bytes, record.hash)
  } catch {
    return undefined
  }
}

export function follows(entry: Entry, author: string, before: { seq: number; hash: string | null }): boolean {
  return entry.author === author && entry.seq === before.seq + 1 && entry.prev === before.hash
}

export function isSigned(entry: Entry): boolean {
  try {
    openEntry(entry.bytes)
    return true
  } catch {
    return false
  }
}

/** A head record that cannot be read promises at least what is there. */
export function promisedSeq(value: Uint8Array, known: number): number {
  try {
    return decodeAs(headSchema, value, 'a head record').seq
  } catch {
    return known
  }
}

/** The last entry of a feed on a disk that nobody has opened for writing yet, where it can be read. */
export async function lastEntryOf(storage: Storage, author: string): Promise<Uint8Array | undefined> {
  const [head] = await readValues(storage, [headKey(author)])
  const seq = head === undefined ? 0 : promisedSeq(head, 0)
  const [record] = seq === 0 ? [] : await readValues(storage, [recordKey(author, seq)])
  return record === undefined ? undefined : unsealRecord(record)?.bytes
}
