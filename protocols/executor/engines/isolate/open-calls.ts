/** The calls of one instance that did not end in the turn they came in. */

/** The isolate's own timeout comes first; this is how much later the sweep ends a call that only waits. */
const GRACE_MS = 10
/** For turns on nobody's account. */
const TURN_MS_MAX = 1000

export interface OpenCall {
  startedAt: number
  deadlineAt: number
  /** Its response's head is out. */
  responded: boolean
  /** Entries on its account that run on a thread now. */
  entries: number
}

export class OpenCalls {
  readonly #calls = new Map<number, OpenCall>()
  readonly #onDone: (callId: number) => void

  constructor(onDone: (callId: number) => void) {
    this.#onDone = onDone
  }

  add(callId: number, startedAt: number, msLeft: number): void {
    this.#calls.set(callId, { startedAt, deadlineAt: startedAt + msLeft, responded: false, entries: 0 })
  }

  has(callId: number): boolean {
    return this.#calls.has(callId)
  }

  get(callId: number): OpenCall | undefined {
    return this.#calls.get(callId)
  }

  /** Whether it was open. */
  close(callId: number): boolean {
    if (!this.#calls.delete(callId)) return false
    this.#onDone(callId)
    return true
  }

  clear(): void {
    for (const callId of this.#calls.keys()) this.#onDone(callId)
    this.#calls.clear()
  }

  /** Milliseconds since it came in. */
  age(callId: number): number {
    const call = this.#calls.get(callId)
    return call === undefined ? 0 : performance.now() - call.startedAt
  }

  /** Whether it was open. */
  respond(callId: number): boolean {
    const call = this.#calls.get(callId)
    if (call !== undefined) call.responded = true
    return call !== undefined
  }

  enter(callId: number): void {
    const call = this.#calls.get(callId)
    if (call !== undefined) call.entries++
  }

  leave(callId: number): void {
    const call = this.#calls.get(callId)
    if (call !== undefined) call.entries--
  }

  /** Past its deadline, and waiting. */
  isLate(callId: number, now: number): boolean {
    const call = this.#calls.get(callId)
    return call !== undefined && call.entries === 0 && now > call.deadlineAt + GRACE_MS
  }

  /** The one whose deadline comes first. */
  earliest(): number | undefined {
    let first: number | undefined
    let at = Number.POSITIVE_INFINITY
    for (const [callId, call] of this.#calls) {
      if (call.deadlineAt >= at) continue
      at = call.deadlineAt
      first = callId
    }
    return first
  }

  /** Milliseconds a turn may take that is nobody's own: until the first of them is late. */
  msLeft(): number {
    const first = this.earliest()
    const call = first === undefined ? undefined : this.#calls.get(first)
    return call === undefined ? TURN_MS_MAX : Math.max(1, Math.ceil(call.deadlineAt - performance.now()))
  }
}
