/** structuredClone of data (HTML Standard): plain objects, arrays, dates, maps, sets, errors, buffers; cycles are kept. Nothing is transferred. */
import { DOMException } from './events.ts'

export function structuredClone(value: unknown): unknown {
  return copy(value, new Map())
}

function copy(value: unknown, seen: Map<unknown, unknown>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw refused(value)
  if (typeof value !== 'object' || value === null) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  const made = empty(value)
  seen.set(value, made)
  fill(value, made, seen)
  return made
}

function empty(value: object): object {
  if (Array.isArray(value)) return Array.from({ length: value.length })
  if (value instanceof Date) return new Date(value.getTime())
  if (value instanceof RegExp) return new RegExp(value.source, value.flags)
  if (value instanceof Map) return new Map()
  if (value instanceof Set) return new Set()
  if (value instanceof ArrayBuffer) return value.slice(0)
  if (ArrayBuffer.isView(value)) return copyView(value)
  if (value instanceof Error) return copyError(value)
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw refused(value)
  return {}
}

function fill(value: object, made: object, seen: Map<unknown, unknown>): void {
  if (value instanceof Map) for (const [key, each] of value) (made as Map<unknown, unknown>).set(copy(key, seen), copy(each, seen))
  else if (value instanceof Set) for (const each of value) (made as Set<unknown>).add(copy(each, seen))
  else if (Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]')
    for (const key of Object.keys(value)) {
      const each = copy((value as Record<string, unknown>)[key], seen)
      // Defined, not assigned: a key named __proto__ is data too.
      Object.defineProperty(made, key, { value: each, enumerable: true, configurable: true, writable: true })
    }
}

function copyView(view: ArrayBufferView): object {
  const buffer = (view.buffer as ArrayBuffer).slice(view.byteOffset, view.byteOffset + view.byteLength)
  return new (view.constructor as new (buffer: ArrayBuffer) => object)(buffer)
}

function copyError(error: Error): Error {
  const made = new Error(error.message)
  for (const key of ['name', 'stack'] as const)
    Object.defineProperty(made, key, { value: error[key], configurable: true, writable: true, enumerable: false })
  return made
}

function refused(value: unknown): DOMException {
  return new DOMException(`A ${typeof value} cannot be cloned`, 'DataCloneError')
}
