/**
 * Operations on their way out: as many as the worker takes at once, the rest waits here in order, on the isolate's own memory.
 * A linked list of plain stores: no method of an array that user code could have replaced.
 */
import { CRYPTO_BYTES_MAX, CRYPTO_OPEN_MAX } from '../../../../bounds.ts'
import { OUT } from '../codes.ts'
import { exceptionPiece } from '../pieces.ts'
import { say } from '../outbox.ts'
import { apply, mapDelete, mapGet, mapSet, parse, SafeMap } from '../primordials.ts'
import { enter, onCallEnd, owner } from '../state.ts'
import type { CryptoRequest, WireAlgorithm } from './vocabulary.ts'

/** Promises of one instance that wait; more are refused at once. */
const WAITING_MAX = 4096

interface Entry {
  request: CryptoRequest
  bytes: number
  owner: number
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  /** Makes the result of what came back: an ArrayBuffer, or parsed JSON. */
  finish: (answer: unknown) => unknown
  next: Entry | undefined
}

const NativePromise = Promise
const NativeTypeError = TypeError
const open = new SafeMap<number, Entry>()
let lastId = 0
let openCount = 0
let openBytes = 0
let first: Entry | undefined
let last: Entry | undefined
let waiting = 0

export function refuse(name: string, message: string): Error {
  return new (exceptionPiece().DOMException)(message, name)
}

/** `make` reads the arguments: what it throws rejects the promise. */
export function operate(make: () => CryptoRequest, finish: (answer: unknown) => unknown): Promise<unknown> {
  return new NativePromise((resolve, reject) => {
    const request = make()
    const bytes = bytesIn(request)
    if (bytes > CRYPTO_BYTES_MAX) throw refuse('OperationError', `The operation has more than ${CRYPTO_BYTES_MAX} bytes`)
    if (waiting >= WAITING_MAX) throw refuse('OperationError', `More than ${WAITING_MAX} operations are waiting`)
    const entry: Entry = { request, bytes, owner: owner(), resolve, reject, finish, next: undefined }
    if (last === undefined) first = entry
    else last.next = entry
    last = entry
    waiting++
    send()
  })
}

/** The host's answer; returns the call it was for. */
export function answerOperation(id: number, answer: unknown, failed: boolean): number {
  const entry = mapGet(open, id) as Entry | undefined
  if (entry === undefined) return 0
  mapDelete(open, id)
  openCount--
  openBytes -= entry.bytes
  enter(entry.owner)
  try {
    const value = typeof answer === 'string' ? (parse(answer) as unknown) : answer
    if (failed) apply(entry.reject, undefined, [errorFrom(value as { name: string; message: string })])
    else apply(entry.resolve, undefined, [entry.finish(value)])
  } catch (error) {
    apply(entry.reject, undefined, [error])
  }
  send()
  return entry.owner
}

function send(): void {
  while (first !== undefined && openCount < CRYPTO_OPEN_MAX && openBytes + first.bytes <= CRYPTO_BYTES_MAX) {
    const entry: Entry = first
    first = entry.next
    if (first === undefined) last = undefined
    entry.next = undefined
    waiting--
    const id = ++lastId
    openCount++
    openBytes += entry.bytes
    mapSet(open, id, entry)
    say(OUT.crypto, id, entry.request, entry.owner)
  }
}

/** What a call left waiting when it ended is not begun for anybody else. What is under way ends, or is ended, outside. */
onCallEnd((id) => {
  if (first === undefined) return
  let kept: Entry | undefined
  let entry: Entry | undefined = first
  first = undefined
  while (entry !== undefined) {
    const next: Entry | undefined = entry.next
    entry.next = undefined
    if (entry.owner === id) {
      waiting--
      apply(entry.reject, undefined, [refuse('AbortError', 'The call the operation belongs to is over')])
    } else {
      if (kept === undefined) first = entry
      else kept.next = entry
      kept = entry
    }
    entry = next
  }
  last = kept
})

function bytesIn(request: CryptoRequest): number {
  const { data, signature, alg, derived } = request
  return (data?.length ?? 0) + (signature?.length ?? 0) + membersBytes(alg) + membersBytes(derived)
}

function membersBytes(alg: WireAlgorithm | undefined): number {
  let bytes = 0
  for (const name in alg) {
    const value = alg[name]
    if (typeof value === 'object' && value !== null) bytes += (value as Uint8Array).length
  }
  return bytes
}

function errorFrom({ name, message }: { name: string; message: string }): Error {
  return name === 'TypeError' ? new NativeTypeError(message) : refuse(name, message)
}
