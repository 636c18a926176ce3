/** The calls of one instance that did not end in the turn they came in. */

import type { WireError } from '../../frames.ts'

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
  /** Its first entry waits for a thread: nothing of it has run. */
  isQueued: boolean
  /** Processor time used until now. */
  cpuMs: number
  /** What of it was used before the last message of its socket: each may use as much as a call. */
  cpuMsBefore: number
  /** Set for a call that answered with a WebSocket: milliseconds each of its turns may take. It ends when the host says so. */
  turnMs: number | undefined
}

export class OpenCalls {
  readonly #calls = new Map<number, OpenCall>()
  readonly #onDone: (callId: number) => void
  readonly #onOpen: () => void
  /** Milliseconds of processor one call may use. */
  cpuMsMax = Number.POSITIVE_INFINITY
  #someOverdrew = false

  constructor(onDone: (callId: number) => void, onOpen: () => void) {
    this.#onDone = onDone
    this.#onOpen = onOpen
  }

  get size(): number {
    return this.#calls.size
  }

  add(callId: number, startedAt: number, msLeft: number): void {
    this.#calls.set(callId, { startedAt, deadlineAt: startedAt + msLeft, responded: false, ...UNUSED })
    this.#onOpen()
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0
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

  /** Its answer is a WebSocket: from here on its deadline is that of each message. */
  keep(callId: number): void {
    const call = this.#calls.get(callId)
    if (call === undefined) return
    call.turnMs = call.deadlineAt - call.startedAt
    call.deadlineAt = Number.POSITIVE_INFINITY
    this.renew(callId)
  }

  /** A message came for its socket. */
  renew(callId: number): void {
    const call = this.#calls.get(callId)
    if (call?.turnMs !== undefined) call.cpuMsBefore = call.cpuMs
  }

  /** Adds to what the call has used. What is nobody's (0, or a call that is over) is shared among those that are open. */
  charge(callId: number, cpuMs: number): void {
    const call = this.#calls.get(callId)
    if (call !== undefined) this.#add(call, cpuMs)
    else for (const each of this.#calls.values()) this.#add(each, cpuMs / this.#calls.size)
  }

  #add(call: OpenCall, cpuMs: number): void {
    call.cpuMs += cpuMs
    if (isOverdrawn(call, this.cpuMsMax)) this.#someOverdrew = true
  }

  /** Those that used more than they may, since it was last asked. */
  takeOverdrawn(): number[] {
    if (!this.#someOverdrew) return []
    this.#someOverdrew = false
    const over: number[] = []
    for (const [callId, call] of this.#calls) if (isOverdrawn(call, this.cpuMsMax)) over.push(callId)
    return over
  }

  /** Milliseconds its next turn may take: until its deadline, or until its processor time is used up where that may come first. */
  turnMsLeft(callId: number, msLeft: number): number {
    const { cpuMsMax } = this
    const call = this.#calls.get(callId)
    if (call === undefined || !isCpuBound(call, cpuMsMax)) return Math.min(msLeft, Math.max(1, cpuMsMax))
    return Math.max(1, Math.min(msLeft, Math.ceil(cpuMsMax - call.cpuMs + call.cpuMsBefore)))
  }

  cpuMs(callId: number): number {
    return this.#calls.get(callId)?.cpuMs ?? 0
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

  queue(callId: number): void {
    const call = this.#calls.get(callId)
    if (call !== undefined) call.isQueued = true
  }

  enter(callId: number): void {
    const call = this.#calls.get(callId)
    if (call === undefined) return
    call.entries++
    call.isQueued = false
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
      if (first !== undefined && call.deadlineAt >= at) continue
      at = call.deadlineAt
      first = callId
    }
    return first
  }

  /** Milliseconds a turn may take that is nobody's own: until the first of them is late. */
  msLeft(): number {
    if (this.isEmpty) return TURN_MS_MAX
    const now = performance.now()
    let least = Number.POSITIVE_INFINITY
    for (const { turnMs, deadlineAt } of this.#calls.values()) least = Math.min(least, turnMs ?? deadlineAt - now)
    return Math.max(1, Math.ceil(least))
  }
}

const UNUSED = { entries: 0, isQueued: false, cpuMs: 0, cpuMsBefore: 0, turnMs: undefined } as const

function isOverdrawn(call: OpenCall, cpuMsMax: number): boolean {
  return call.cpuMs - call.cpuMsBefore > cpuMsMax && isCpuBound(call, cpuMsMax)
}

/** Whether its deadline leaves it more time than it may compute: for the others the deadline is the only limit. */
function isCpuBound(call: OpenCall, cpuMsMax: number): boolean {
  return call.deadlineAt - call.startedAt > cpuMsMax
}

/** Why a call was ended early at `now`. */
export function endingOf(call: OpenCall, now: number, cpuMsMax: number): WireError {
  if (isCpuBound(call, cpuMsMax) && now < call.deadlineAt && (call.turnMs === undefined || call.turnMs > cpuMsMax))
    return {
      code: 'quota_exceeded',
      message: `Cannot finish the call: it computed for more than its ${cpuMsMax} ms (execution.cpu)`,
      limit: 'cpu',
    }
  const ms = Math.round(call.turnMs ?? call.deadlineAt - call.startedAt)
  return { code: 'deadline_exceeded', message: `Cannot finish the call: its ${ms} ms are over (execution.timeout)`, limit: 'timeout' }
}

/** What a call is billed that was ended early: how late its timeout came is not its doing. */
export function billOf(call: OpenCall): number {
  return Math.min(call.cpuMs, call.deadlineAt - call.startedAt)
}
