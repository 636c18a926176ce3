/** One invocation while it is here: what the frames of its worker do to it, and its one ending. */
import { OsirisError } from '#protocols/errors'
import type { FailedOutcome, Outcome, OutcomeMeta, PlacedInvocation } from '#protocols/invocation'
import { type RequestBody, ResponseBody } from './body.ts'
import { decodeError, decodeHead } from './hostile.ts'
import { CLOSED, HEAD_LENGTH_MASK, OPEN } from './frames.ts'
import type { FunctionState, InstanceSlot } from './function-state.ts'

/** What a call needs of the service: called once when it is over, on this side or the worker's. */
export interface CallOwner {
  readonly nodeName: string
  now(): number
  /** The call holds no slot any more; `outcome` is what was answered. */
  over(call: Call): void
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
  isAnswered = false
  isOver = false
  /** Set while a request's body is on its way in. */
  requestBody: RequestBody | undefined
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

  /** Throws when the worker may not say this now; it is then taken for hostile. */
  onValue(runUs: number, bytes: Uint8Array): void {
    if (this.isAnswered) throw new Error('a second answer')
    const { resultBytesMax } = this.fn
    if (this.invocation.payload.kind !== 'call') throw new Error('a value for a request')
    if (bytes.length > resultBytesMax)
      return this.fail(
        new OsirisError('result_too_large', `Cannot return the result of "${this.fn.title}": it is longer than ${resultBytesMax} bytes`),
        runUs,
      )
    this.#answer({ kind: 'value', value: bytes, meta: this.meta(runUs) })
    this.end()
  }

  onFailed(runUs: number, bytes: Buffer): void {
    if (this.isAnswered) throw new Error('a second answer')
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
    const { status, headers } = decodeHead(buffer.toString('utf8', start, headEnd))
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
  }

  onClosed(): void {
    if (!this.isAnswered) throw new Error('an end without an answer')
    this.end()
  }

  onBroken(bytes: Buffer): void {
    this.#body?.fail(decodeError(bytes, this.fn.title))
  }

  /** The worker is gone, or the answer is decided on this side: a typed error, or the end of the stream with it. */
  fail(error: OsirisError, runUs = 0, started = true): void {
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
    this.#unlisten?.()
    this.#owner.over(this)
  }

  meta(runUs: number): OutcomeMeta {
    const { invocation } = this
    const startedAt = this.startedAt === 0 ? this.#owner.now() : this.startedAt
    const queue = Math.max(0, startedAt - this.arrivedAt - this.coldMs)
    return {
      version: invocation.version,
      node: this.#owner.nodeName,
      hops: invocation.hops,
      timing: { route: 0, queue, cold: this.coldMs, run: runUs / 1000 },
    }
  }

  #failed(error: OsirisError, runUs: number, started: boolean): FailedOutcome {
    return { kind: 'failed', error, started, meta: this.meta(runUs) }
  }

  #answer(outcome: Outcome): void {
    this.isAnswered = true
    this.#owner.answered(this, outcome)
    this.#resolve(outcome)
  }
}
