/**
 * structuredClone (HTML Standard, "safe passing of structured data"): data of the language, Blobs and DOMExceptions; cycles are kept; buffers and ports can
 * be transferred. Two phases, as there: all is read first, and only when that went well is anything taken away or made. A Proxy is cloned as what it shows.
 */
import { DOMException } from './dom-exception.ts'
import { isPlatformObject } from './lazy.ts'
import { loaded } from './loaded.ts'
import { stringOf } from './text.ts'

export interface Moved {
  value: unknown
  /** What took the place of the transferred, in the same order. */
  transferred: unknown[]
}

/** A value that was read: how to make it without what it holds, and how to put that in. */
interface Read {
  make(): unknown
  fill?(made: never): void
  /** In a box, since it may be undefined. */
  made?: [unknown]
}

const VIEWS = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float16Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView],
] as (new (buffer: ArrayBuffer, at: number, length: number) => ArrayBufferView & { length?: number })[]
const ERRORS = new Map<unknown, ErrorConstructor>(
  [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((each) => [each.name, each]),
)
const WRAPPERS = [Boolean, Number, String, BigInt]
const REFUSED = [Promise, WeakMap, WeakSet]

export function structuredClone(value: unknown, options?: { transfer?: Iterable<unknown> } | null): unknown {
  // oxlint-disable-next-line prefer-rest-params -- undefined given counts as given
  if (arguments.length === 0) throw new TypeError('structuredClone needs a value')
  return cloneWith(value, [...(options?.transfer ?? [])]).value
}

export function cloneWith(value: unknown, transfer: unknown[]): Moved {
  const known = new Map<unknown, Read>()
  for (const each of transfer) {
    if (known.has(each)) throw refusal('Something that is transferred twice')
    known.set(each, { make: mover(each) })
  }
  const read = readValue(value, known)
  return { transferred: transfer.map((each) => made(known.get(each) as Read)), value: made(read) }
}

function mover(value: unknown): () => unknown {
  if (value instanceof ArrayBuffer && !value.detached) return () => value.transfer()
  const { messaging } = loaded
  if (messaging?.isPort(value)) return () => messaging.movePort(value)
  throw refusal('What is transferred, if it is no ArrayBuffer and no MessagePort, or is gone already,')
}

function made(read: Read): unknown {
  if (read.made !== undefined) return read.made[0]
  const value = read.make()
  read.made = [value]
  read.fill?.(value as never)
  return value
}

function readValue(value: unknown, known: Map<unknown, Read>): Read {
  if (typeof value === 'function' || typeof value === 'symbol') throw refusal(`A ${typeof value}`)
  if (typeof value !== 'object' || value === null) return { make: () => value }
  const before = known.get(value)
  if (before !== undefined) return before
  const read: Read = { make: () => undefined }
  // Known before what it holds is read: that may lead back to it.
  known.set(value, read)
  return Object.assign(read, readPlain(value) ?? readPlatform(value) ?? readCollection(value, known) ?? readObject(value, known))
}

/** Values of the language that hold no others. */
function readPlain(value: object): Read | undefined {
  if (WRAPPERS.some((each) => value instanceof each)) {
    const primitive = value.valueOf() as unknown
    return { make: () => Object(primitive) as object }
  }
  if (value instanceof Date) {
    const time = value.getTime()
    return { make: () => new Date(time) }
  }
  if (value instanceof RegExp) {
    const { source, flags } = value
    return { make: () => new RegExp(source, flags) }
  }
  if (!(value instanceof ArrayBuffer)) return undefined
  if (value.detached) throw refusal('An ArrayBuffer that was taken away')
  const bytes = value.resizable ? resizableCopy(value) : value.slice(0)
  return { make: () => bytes }
}

function resizableCopy(buffer: ArrayBuffer): ArrayBuffer {
  const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength })
  new Uint8Array(copy).set(new Uint8Array(buffer))
  return copy
}

function readPlatform(value: object): Read | undefined {
  const { blob } = loaded
  if (blob?.isBlob(value)) return { make: () => blob.cloneBlob(value) }
  if (value instanceof DOMException) {
    const { message, name, stack } = value
    return { make: () => hidden(new DOMException(message, name), 'stack', stack) }
  }
  if (isPlatformObject(value) || REFUSED.some((each) => value instanceof each))
    throw refusal(`A ${Object.prototype.toString.call(value).slice(8, -1)}`)
  return undefined
}

function readCollection(value: object, known: Map<unknown, Read>): Read | undefined {
  if (ArrayBuffer.isView(value)) return readView(value, known)
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) => [readValue(key, known), readValue(each, known)] as const)
    return { make: () => new Map(), fill: (map: Map<unknown, unknown>) => entries.forEach(([key, each]) => map.set(made(key), made(each))) }
  }
  if (value instanceof Set) {
    const members = [...value].map((each) => readValue(each, known))
    return { make: () => new Set(), fill: (set: Set<unknown>) => members.forEach((each) => set.add(made(each))) }
  }
  return value instanceof Error ? readError(value, known) : undefined
}

function readView(view: ArrayBufferView & { length?: number }, known: Map<unknown, Read>): Read {
  const Kind = VIEWS.find((each) => view instanceof each)
  if (Kind === undefined) throw refusal('A view of this kind')
  const buffer = readValue(view.buffer, known)
  const { byteOffset, byteLength, length = byteLength } = view
  return { make: () => new Kind(made(buffer) as ArrayBuffer, byteOffset, length) }
}

function readError(error: Error, known: Map<unknown, Read>): Read {
  const Kind = ERRORS.get(error.name) ?? Error
  const message = Object.getOwnPropertyDescriptor(error, 'message')
  const text = message !== undefined && 'value' in message ? stringOf(message.value) : undefined
  const stack = typeof error.stack === 'string' ? error.stack : undefined
  const cause = Object.hasOwn(error, 'cause') ? readValue(error.cause, known) : undefined
  return {
    make: () => hidden(new Kind(text), 'stack', stack),
    fill: (copy: Error) => cause !== undefined && hidden(copy, 'cause', made(cause)),
  }
}

function readObject(value: object, known: Map<unknown, Read>): Read {
  const fields = Object.keys(value).map((key) => [key, readValue((value as Record<string, unknown>)[key], known)] as const)
  const { length } = value as unknown[]
  return {
    make: Array.isArray(value) ? () => sparse(length) : () => ({}),
    fill(copy: object) {
      // Defined, not assigned: a key named __proto__ is data too.
      for (const [key, each] of fields)
        Object.defineProperty(copy, key, { value: made(each), enumerable: true, configurable: true, writable: true })
    },
  }
}

function sparse(length: number): unknown[] {
  const array: unknown[] = []
  array.length = length
  return array
}

function hidden<T extends object>(target: T, key: string, value: unknown): T {
  return value === undefined ? target : Object.defineProperty(target, key, { value, configurable: true, writable: true, enumerable: false })
}

function refusal(what: string): DOMException {
  return new DOMException(`${what} cannot be cloned`, 'DataCloneError')
}
