/**
 * One codec for everything that is hashed, signed or sent: deterministic DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/).
 * The only address of `@ipld/dag-cbor` and of SHA-256 naming.
 */
import { hash } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import type { z } from 'zod'
import { RARE, readCanonical, writeCanonical } from './canonical.ts'
import { OsirisError } from './errors.ts'

/** Bytes of a value; the same value has the same bytes on every node. `undefined` fields must be left out before. */
export function encode(value: unknown): Uint8Array {
  return dagCbor.encode(value)
}

/** The same bytes, sooner where it is a list of texts, whole numbers, truth values, nulls and such lists: what is written for every call. */
export function encodeList(list: readonly unknown[]): Uint8Array {
  const written = writeCanonical(list)
  return written === RARE ? dagCbor.encode(list) : written
}

/** The value in hostile bytes, not yet judged. Throws `invalid_argument` for anything not well-formed. */
export function decode(bytes: Uint8Array): unknown {
  try {
    return dagCbor.decode(bytes)
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot decode ${bytes.length} bytes of CBOR: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * The same, for bytes that are hashed or signed: only those `encode` would have made, lists and maps at most `depthMax` within each other.
 * Byte strings share memory with `bytes`. Throws `invalid_argument`.
 */
export function decodeCanonical(bytes: Uint8Array, depthMax: number): unknown {
  try {
    const read = readCanonical(bytes, depthMax)
    return read === RARE ? decodeRare(bytes, depthMax) : read
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot decode ${bytes.length} bytes of CBOR: ${(error as Error).message}`, { cause: error })
  }
}

function decodeRare(bytes: Uint8Array, depthMax: number): unknown {
  const value: unknown = dagCbor.decode(bytes)
  if (depthExceeds(value, depthMax)) throw new Error('it nests too deep')
  if (Buffer.compare(bytes, dagCbor.encode(value)) !== 0) throw new Error('it is not canonical')
  return value
}

function depthExceeds(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  if (left === 0) return true
  return Object.values(value).some((each) => depthExceeds(each, left - 1))
}

/** Hostile bytes → a checked value. Throws `invalid_argument` that names the message and the first thing wrong with it. */
export function decodeAs<S extends z.ZodType>(schema: S, bytes: Uint8Array, what: string): z.output<S> {
  return parse(schema, decode(bytes), what)
}

/** Hostile value → a checked value. Throws `invalid_argument` that names the first key at fault. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path.map(String).join('.') ?? ''
  throw new OsirisError('invalid_argument', `Cannot read ${what}${path === '' ? '' : ` at "${path}"`}: ${issue?.message ?? 'malformed'}`, {
    details: { issues: result.error.issues.slice(0, 8).map((each) => ({ path: each.path.map(String).join('.'), message: each.message })) },
  })
}

/** SHA-256 of the bytes as 64 lower-case hex characters: the one form of every digest in Osiris. */
export function digestOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** 32 hex characters that name something by its cause: the same whoever makes them, as long as an id by chance. */
export function idOfCause(cause: string | Uint8Array): string {
  return digestOf(typeof cause === 'string' ? Buffer.from(cause) : cause).slice(0, 32)
}
