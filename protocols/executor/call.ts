/** One invocation while it is here: what the frames of its worker do to it, and its one ending. */
import { OsirisError } from '#protocols/errors'
import {
  type ColdParts,
  type FailedOutcome,
  isLimitName,
  type Outcome,
  type OutcomeMeta,
  type PlacedInvocation,
  type Timing,
} from '#protocols/invocation'
import { type RequestBody, ResponseBody } from './body.ts'
import { decodeError, decodeHead, SWITCHING } from './hostile.ts'
import { CLOSED, HEAD_LENGTH_MASK, OPEN } from './frames.ts'
import { clampedNote, limitMet } from './limits/function-limits.ts'
import type { FunctionState, InstanceSlot } from './function-state.ts'
import type { SocketWatch } from './socket-watch.ts'

/** What a call needs of the service: called once when it is over, on this side or the worker's. */
export interface CallOwner {
  readonly nodeName: string
  now(): number
  /** The call holds no slot any more; `outcome` is what was answered. */
  over(call: Call): void
  /** It was answered by a WebSocket, and goes on. */
  settled(call: Call): void
  answered(call: Call, outcome: Outcome): void
}

export class Call {
  readonly invocation: PlacedInvocation
  readonly fn: FunctionState
  readonly arrivedAt: number
  readonly #owner: CallOwner
  readonly #resolve: (outcome: Outcome) => void
  /** Set while it runs; 0 while it waits. */
  id = 0
  slot: InstanceSlot | undefined
  startedAt = 0
  /** When it must have ended, on the owner's clock. */
  deadlineAt = 0
  coldMs = 0
  /** Set where it waited for its instance to start. */
  coldParts: ColdParts | undefined
  /** Processor time its worker told of before the answer. */
  cpuUs = 0
  /** Fetches and calls of other functions it made; whether it was refused one. */
  requests = 0
  metRequests = false
  /** What its worker had used when the watch first saw the call; negative before. */
  workerCpuMs = -1
  /** How long it had been running then. */
  unseenMs = 0
  /** Of the farthest call it made of another function. */
  #hopsBelow = 0
  #ending: AbortController | undefined
  isAnswered = false
  isOver = false
  /** An open socket that holds no slot of the node. */
  isSettled = false
  /** Set while a request's body is on its way in. */
  requestBody: RequestBody | undefined
  /** Set where its client asks for a WebSocket. */
  socket: SocketWatch | undefined
  #body: ResponseBody | undefined
  #unlisten: (() => void) | undefined

  constructor(invocation: PlacedInvocation, fn: FunctionState, owner: CallOwner, resolve: (outcome: Outcome) => void) {
    this.invocation = invocation
    this.fn = fn
    this.#owner = owner
    this.#resolve = resolve
    this.arrivedAt = owner.now()
  }

  /** Calls `gone` when the caller goes away before the call is over. */
  watch(signal: AbortSignal, gone: () => void): void {
    signal.addEventListener('abort', gone, { once: true })
    this.#unlisten = () => signal.removeEventListener('abort', gone)
  }

  /** Aborts when the call is over: what it asked for ends with it. Made when somebody asks, so that calls that call nobody pay nothing. */
  get ending(): AbortSignal {
    this.#ending ??= new AbortController()
    if (this.isOver) this.#ending.abort()
    return this.#ending.signal
  }

  /** A function it called was so many hops away. */
  wentHops(hops: number): void {
    this.#hopsBelow = Math.max(this.#hopsBelow, hops)
  }

  /** Throws when the worker may not say this now; it is then taken for hostile. */
  onValue(runUs: number, cpuUs: number, bytes: Uint8Array): void {
    if (this.isAnswered) throw new Error('a second answer')
    const { resultBytesMax } = this.fn
    if (this.invocation.payload.kind === 'fetch') throw new Error('a value for a request')
    if (bytes.length > resultBytesMax)
      return this.fail(
        limitMet('result_too_large', 'result', `Cannot return the result of "${this.fn.title}": it is longer than ${resultBytesMax} bytes`),
        runUs,
      )
    this.cpuUs = cpuUs
    this.#answer({ kind: 'value', value: bytes, meta: this.meta(runUs) })
    this.end()
  }

  onFailed(runUs: number, cpuUs: number, bytes: Buffer): void {
    if (this.isAnswered) throw new Error('a second answer')
    this.cpuUs = cpuUs
    this.fail(decodeError(bytes, this.fn.title), runUs)
  }

  onResponse(
    runUs: number,
    b: number,
    buffer: Buffer,
    start: number,
    end: number,
    wires: { credit(bytes: number): void; cancel(): void },
  ): void {
    if (this.isAnswered || this.invocation.payload.kind !== 'fetch') throw new Error('an unexpected response')
    const headEnd = start + (b & HEAD_LENGTH_MASK)
    if (headEnd > end) throw new Error('a head longer than its frame')
    const { status, headers } = decodeHead(buffer.toString('utf8', start, headEnd), this.invocation.payload.upgrade !== undefined)
    if (status === SWITCHING && (b & OPEN) === 0) throw new Error('a socket without a stream')
    if (status === SWITCHING) this.deadlineAt = Number.POSITIVE_INFINITY
    const meta = this.meta(runUs)
    const first = headEnd === end ? undefined : buffer.subarray(headEnd, end)
    if ((b & OPEN) === 0)
      this.#answer(
        first === undefined ? { kind: 'response', status, headers, meta } : { kind: 'response', status, headers, body: first, meta },
      )
    else {
      this.#body = new ResponseBody(wires)
      if (first !== undefined) this.#body.push(first)
      this.#answer({ kind: 'response', status, headers, body: this.#body, meta })
    }
    if ((b & CLOSED) !== 0) this.end()
    else if (status === SWITCHING) this.#owner.settled(this)
  }

  onChunk(bytes: Uint8Array): void {
    if (this.#body === undefined) throw new Error('a chunk without a body')
    this.#body.push(bytes)
  }

  onEnd(): void {
    this.#body?.end()
  }

  onCredit(bytes: number): void {
    this.requestBody?.credit(bytes)
    this.socket?.taken(bytes)
  }

  onSpent(cpuUs: number): void {
    this.cpuUs = cpuUs
  }

  onClosed(cpuUs: number): void {
    if (!this.isAnswered) throw new Error('an end without an answer')
    this.cpuUs = cpuUs
    this.end()
  }

  onBroken(bytes: Buffer): void {
    this.#body?.fail(decodeError(bytes, this.fn.title))
  }

  /** The worker is gone, or the answer is decided on this side: a typed error, or the end of the stream with it. */
  fail(error: OsirisError, runUs = this.#ageUs(), started = true): void {
    if (this.isOver) return
    if (!this.isAnswered) this.#answer(this.#failed(error, runUs, started))
    this.#body?.fail(error)
    this.end()
  }

  /** No slot is held from here on. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    this.#body?.fail(new OsirisError('worker_crashed', `Cannot read on: "${this.fn.title}" ended without ending its response`))
    this.requestBody?.stop()
    this.socket?.stop()
    this.#unlisten?.()
    this.#ending?.abort()
    this.#owner.over(this)
  }

  /** Microseconds since it began to run. */
  #ageUs(): number {
    return this.startedAt === 0 ? 0 : (this.#owner.now() - this.startedAt) * 1000
  }

  meta(runUs: number): OutcomeMeta {
    const { invocation, coldParts, coldMs, slot } = this
    const startedAt = this.startedAt === 0 ? this.#owner.now() : this.startedAt
    const queue = Math.max(0, startedAt - this.arrivedAt - coldMs)
    const timing: Timing = { route: 0, queue, cold: coldMs, run: runUs / 1000, cpu: this.cpuUs / 1000 }
    if (coldParts !== undefined) timing.coldParts = coldParts
    const meta: OutcomeMeta = {
      version: invocation.version,
      node: this.#owner.nodeName,
      hops: Math.max(invocation.hops, this.#hopsBelow),
      timing,
    }
    if (slot !== undefined && slot.peakBytes > 0) meta.peakMemoryBytes = slot.peakBytes
    return meta
  }

  #failed(thrown: OsirisError, runUs: number, started: boolean): FailedOutcome {
    const limit = thrown.details?.['limit']
    const note = isLimitName(limit) ? clampedNote(this.fn.limits, limit) : ''
    // What was refused on this side, and thrown on by the function, has it already.
    const error =
      note === '' || thrown.message.endsWith(note) ? thrown : OsirisError.fromShape({ ...thrown.toShape(), message: thrown.message + note })
    return { kind: 'failed', error, started, meta: this.meta(runUs) }
  }

  #answer(outcome: Outcome): void {
    this.isAnswered = true
    // A stream goes on: how long is its reader's business.
    if (this.startedAt > 0) this.fn.ran(this.#body === undefined ? outcome.meta.timing.run : Number.POSITIVE_INFINITY)
    this.#owner.answered(this, outcome)
    this.#resolve(outcome)
  }
}
