/**
 * One worker process seen from the node: its pipe, its calls, its end. Whatever it sends is taken as hostile: at the first frame
 * that is malformed or out of order the process is killed, and only its own calls end with it.
 */
import type { OsirisError } from '#protocols/errors'
import { type LimitName, LIMITS } from '#protocols/invocation'
import { ASK_BYTES_MAX, LOG_LINE_MAX } from './bounds.ts'
import type { Call } from './call.ts'
import { DO, FrameReader, FrameWriter, LOG_LEVELS, SAY, sendTo } from './frames.ts'
import { type FunctionState, type InstanceSlot, slotOf } from './function-state.ts'
import { decodeError, decodeParts } from './hostile.ts'
import { afterLoaded, codeStateOf, takeCode } from './compiled/word.ts'
import { bill } from './billing.ts'
import { MemoryProbe } from './memory/memory-probe.ts'
import type { Weight } from './walls/cgroup.ts'
import type { Launched } from './walls/launch.ts'
import { endOf, errorFor, type WorkerEnd } from './worker-end.ts'

const ID_MAX = 0xffff_ffff
/** What is not a value is at most a call of another function: its arguments as text in a text, which doubles them at worst. */
const FRAME_SLACK = 2 * ASK_BYTES_MAX + 64 * 1024

export interface WorkerListener {
  now(): number
  /** What the kernel may let this worker have, in bytes, with the instances it holds now. */
  memoryFor(worker: WorkerProcess): number
  loaded(slot: InstanceSlot): void
  loadFailed(slot: InstanceSlot, error: OsirisError): void
  gone(slot: InstanceSlot): void
  /** It should share its isolate no longer. */
  unfit(slot: InstanceSlot): void
  /** The reader of a response left it. */
  left(call: Call): void
  log(slot: InstanceSlot, call: Call | undefined, level: (typeof LOG_LEVELS)[number], text: string): void
  /** `callId`: who asks, by the worker's word. */
  ask(slot: InstanceSlot, askId: number, text: string, callId: number): void
  /** A function met a limit that is watched over inside. */
  met(slot: InstanceSlot, limit: LimitName): void
  /** Whether the compiled code that a load had with it was used. */
  codeSeen(slot: InstanceSlot, isUsed: boolean): void
  /** Compiled code of its artifact. */
  codeMade(slot: InstanceSlot, bytes: Uint8Array): void
  /** A frame about a fetch, of the kinds `SAY.fetch…`. Throws at what is malformed. */
  egress(slot: InstanceSlot, kind: number, fetchId: number, b: number, payload: Buffer): void
  /** After every call of it has been ended. */
  ended(worker: WorkerProcess, end: WorkerEnd): void
}

export interface LoadOptions {
  /** An idle instance of the same version: the new one shares an isolate with others. */
  insteadOf?: InstanceSlot
  /** Compiled code of the artifact. */
  code?: Uint8Array | undefined
}

export class WorkerProcess {
  /** Functions whose compiled code it gave. */
  readonly compiled = new Set<FunctionState>()
  readonly calls = new Map<number, Call>()
  readonly slots = new Map<number, InstanceSlot>()
  memory: MemoryProbe
  /** What it is for: a namespace, or one version that once had to be killed. Null for a spare. */
  key: string | null = null
  namespace: string | null = null
  idleSince = 0
  isReady = false
  /** When a first call last came. */
  lastLoadAt = 0
  /** Instances that are being loaded. */
  loading = 0
  /** Cancelled calls and retired instances the worker has not confirmed: what does not stop must be stopped. */
  readonly unconfirmed = new Map<string, { slot: InstanceSlot; since: number; isRetired: boolean }>()
  /** Resident memory when it was ready and held nothing. */
  restingBytes = 0
  restingOwnBytes = 0
  readonly #listener: WorkerListener
  readonly #process: Launched
  readonly #writer: FrameWriter
  /** It takes no more calls: it has ended, or one of its functions holds up its main thread until that is over. */
  isBlocked = false
  #pingsUnanswered = 0
  #frameBytesMax = FRAME_SLACK
  #lastCall = 0
  /** Every id has been given once: none proves a lie any more. */
  #allGiven = false
  #lastSlot = 0
  #flushing = false
  #ended = false
  #hasSpoken = false

  constructor(listener: WorkerListener, launched: Launched) {
    this.#listener = listener
    this.#process = launched
    this.memory = new MemoryProbe(this.pid)
    const { pipe } = launched
    this.#writer = new FrameWriter((parts) => sendTo(pipe, parts))
    const reader = new FrameReader(
      (kind, id, a, b, buffer, start, end) => this.#onFrame(kind, id, a, b, buffer, start, end),
      () => this.#frameBytesMax,
    )
    pipe.on('data', (chunk: Buffer) => {
      if (this.#ended) return
      if (!this.#hasSpoken) this.#spoke()
      try {
        reader.push(chunk)
      } catch (error) {
        this.kill({ code: 'worker_crashed', reason: `it sent ${(error as Error).message}`, blamed: new Set() })
      }
    })
    pipe.on('error', () => {})
    launched.onEnded((ending) => this.#end(endOf(ending, this.busy())))
  }

  get pid(): number {
    return this.#process.pid
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** The functions that have calls here. */
  busy(): Set<FunctionState> {
    const busy = new Set<FunctionState>()
    for (const call of this.calls.values()) busy.add(call.fn)
    for (const slot of this.slots.values()) if (slot.state === 'loading') busy.add(slot.fn)
    return busy
  }

  *callsOf(slot: InstanceSlot): Generator<Call> {
    for (const call of this.calls.values()) if (call.slot === slot) yield call
  }

  load(fn: FunctionState, artifact: Uint8Array, now: number, { insteadOf, code }: LoadOptions = {}): InstanceSlot {
    const own = { id: ++this.#lastSlot, fn, worker: this, bornAt: now, now: this.#listener.now(), insteadOf }
    const slot = slotOf({ ...own, code: codeStateOf(artifact.length, insteadOf !== undefined, code !== undefined) })
    this.slots.set(slot.id, slot)
    this.loading++
    if (insteadOf === undefined) this.lastLoadAt = now
    this.fitMemory()
    this.#frameBytesMax = Math.max(this.#frameBytesMax, fn.resultBytesMax + FRAME_SLACK)
    if (code !== undefined && slot.code === 'given') this.#writer.bytes(DO.codeCache, slot.id, 0, 0, code)
    const [kind, a] = insteadOf === undefined ? [DO.load, fn.memoryMbMax] : [DO.share, insteadOf.id]
    this.#writer.bytes(kind, slot.id, a, fn.settings.length, fn.settings, artifact)
    this.#flushSoon()
    return slot
  }

  /** The kernel's limit follows the instances: up at once, down when the memory has been given back. */
  fitMemory(): void {
    this.#process.allow(this.#listener.memoryFor(this))
  }

  /** What it counts where processors are short. */
  weigh(weight: Weight): void {
    this.#process.weigh(weight)
  }

  retire(slot: InstanceSlot): void {
    if (slot.state === 'loading') this.loading--
    slot.state = 'gone'
    this.slots.delete(slot.id)
    this.unconfirmed.set(`retire ${slot.id}`, { slot, since: this.#listener.now(), isRetired: true })
    this.frame(DO.retire, slot.id)
  }

  /** The call is over on this side; its instance is to forget it. */
  cancel(call: Call): void {
    if (call.slot === undefined || call.isOver) return
    this.unconfirmed.set(`cancel ${call.id}`, { slot: call.slot, since: this.#listener.now(), isRetired: false })
    this.frame(DO.cancel, call.id)
  }

  /** What a value ends: arguments for a value function, or an event. */
  call(call: Call, slot: InstanceSlot, msLeft: number, json: Uint8Array, kind: number = DO.call): void {
    this.#open(call, slot)
    const { path } = call.invocation
    if (path !== undefined && kind === DO.call) this.#writer.text(DO.from, call.id, slot.id, 0, JSON.stringify(path))
    this.#writer.bytes(kind, call.id, slot.id, msLeft, json)
    this.#flushSoon()
  }

  /** A request; its body follows by `chunk` unless it is here whole. */
  request(call: Call, slot: InstanceSlot, head: Uint8Array, body: Uint8Array | undefined): void {
    this.#open(call, slot)
    this.#writer.bytes(DO.fetch, call.id, slot.id, head.length, head, body)
    this.#flushSoon()
  }

  frame(kind: number, id: number, a = 0, b = 0, payload?: Uint8Array): void {
    this.#writer.bytes(kind, id, a, b, payload)
    this.#flushSoon()
  }

  /** Asks whether its main thread is free. How many times it has been asked since it last answered. */
  ping(): number {
    if (this.#pingsUnanswered++ === 0) this.frame(DO.ping, 0)
    return this.#pingsUnanswered - 1
  }

  /** Its main thread has not answered for longer than a round: frames lie unread. */
  get isHeld(): boolean {
    return this.#pingsUnanswered > 1
  }

  /** Ends the process now; its calls get their endings before this returns. */
  kill(end: WorkerEnd): void {
    this.#process.kill()
    this.#end(end)
  }

  /** Whoever waits for the process to be really gone. */
  exited(): Promise<void> {
    return this.#process.exited()
  }

  /** Neither the process nor its pipe keeps the node alive. */
  unref(): void {
    this.#process.unref()
  }

  #open(call: Call, slot: InstanceSlot): void {
    if (this.#lastCall === ID_MAX) this.#allGiven = true
    const id = (this.#lastCall = this.#lastCall === ID_MAX ? 1 : this.#lastCall + 1)
    call.id = id
    call.slot = slot
    this.calls.set(id, call)
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      if (!this.#ended) this.#writer.flush()
    })
  }

  #onFrame(kind: number, id: number, a: number, b: number, buffer: Buffer, start: number, end: number): void {
    if (this.#ended) return
    if (kind === SAY.value) {
      this.#callFor(id)?.onValue(a, b, buffer.subarray(start, end))
      return
    }
    switch (kind) {
      case SAY.failed: {
        const call = this.#callFor(id)
        if ((b & 1) === 1 && call?.slot !== undefined) call.slot.spoiled = true
        return call?.onFailed(a, b >>> 1, buffer.subarray(start, end))
      }
      case SAY.response:
        return this.#callFor(id)?.onResponse(a, b, buffer, start, end, {
          credit: (bytes) => this.frame(DO.credit, id, bytes),
          cancel: () => {
            const call = this.calls.get(id)
            if (call !== undefined) this.#listener.left(call)
          },
        })
      case SAY.chunk:
        return this.#callFor(id)?.onChunk(buffer.subarray(start, end))
      case SAY.end:
        return this.#callFor(id)?.onEnd()
      case SAY.broken:
        return this.#callFor(id)?.onBroken(buffer.subarray(start, end))
      case SAY.credit:
        return this.#callFor(id)?.onCredit(a)
      case SAY.closed:
        return this.#callFor(id)?.onClosed(a)
      case SAY.spent:
        return this.#callFor(id)?.onSpent(a)
      case SAY.memory: {
        const slot = this.#slotFor(id)
        if (slot !== undefined) slot.peakBytes = Math.max(slot.peakBytes, a * 1024)
        return
      }
      case SAY.log:
        return this.#onLog(id, this.#slotFor(a), b, buffer, start, end)
      case SAY.loaded:
      case SAY.loadFailed:
      case SAY.gone:
      case SAY.unfit:
      case SAY.codeCache:
        return this.#onInstance(kind, this.#slotFor(id), a, buffer.subarray(start, end))
      case SAY.ask: {
        const slot = this.#slotFor(a)
        if (slot !== undefined) this.#listener.ask(slot, id, buffer.toString('utf8', start, end), b)
        return
      }
      case SAY.limit: {
        const slot = this.#slotFor(a)
        const limit = LIMITS[b]
        if (limit === undefined) throw new Error('an unknown limit')
        if (slot !== undefined) this.#listener.met(slot, limit)
        return
      }
      case SAY.fetch:
      case SAY.fetchChunk:
      case SAY.fetchEnd:
      case SAY.fetchCancel:
      case SAY.fetchCredit: {
        const slot = this.#slotFor(a)
        if (slot !== undefined) this.#listener.egress(slot, kind, id, b, buffer.subarray(start, end))
        return
      }
      case SAY.heard:
        this.unconfirmed.delete(`cancel ${id}`)
        return
      case SAY.retired:
        this.unconfirmed.delete(`retire ${id}`)
        return
      case SAY.pong:
        this.#pingsUnanswered = 0
        this.isBlocked = false
        return
      case SAY.ready:
        this.isReady = true
        this.restingBytes = this.memory.residentBytes()
        this.restingOwnBytes = this.memory.ownBytes()
        return
      default:
        throw new Error(`a frame of kind ${kind}`)
    }
  }

  /** Its first word, which may be an answer: the walls are made, and it is known which process is the worker. */
  #spoke(): void {
    this.#hasSpoken = true
    this.#process.settled()
    this.memory.close()
    this.memory = new MemoryProbe(this.pid)
  }

  #onInstance(kind: number, slot: InstanceSlot | undefined, a: number, payload: Buffer): void {
    if (slot === undefined) return
    if (kind === SAY.unfit) return slot.isShared ? this.#listener.unfit(slot) : undefined
    if (kind === SAY.loaded) {
      if (slot.state !== 'loading') throw new Error('a second loaded')
      const had = slot.code
      slot.code = afterLoaded(had, a)
      if (had === 'given') this.#listener.codeSeen(slot, a !== 0)
      this.loading--
      Object.assign(slot.coldParts, decodeParts(payload))
      return this.#listener.loaded(slot)
    }
    if (kind === SAY.codeCache) {
      const bytes = takeCode(slot.code, slot.state === 'loading', slot.fn.record.manifest.artifact.bytes, payload)
      slot.code = 'never'
      return this.#listener.codeMade(slot, bytes)
    }
    const error = decodeError(payload, slot.fn.title)
    this.slots.delete(slot.id)
    const was = slot.state
    slot.state = 'gone'
    if (was === 'loading') {
      this.loading--
      return this.#listener.loadFailed(slot, error)
    }
    for (const call of [...this.callsOf(slot)]) call.fail(error)
    this.#listener.gone(slot)
  }

  #onLog(callId: number, slot: InstanceSlot | undefined, level: number, buffer: Buffer, start: number, end: number): void {
    const name = LOG_LEVELS[level]
    if (name === undefined) throw new Error('an unknown log level')
    if (slot === undefined) return
    const call = this.calls.get(callId)
    this.#listener.log(
      slot,
      call?.slot === slot ? call : undefined,
      name,
      buffer.toString('utf8', start, Math.min(end, start + LOG_LINE_MAX)),
    )
  }

  /** Undefined when the call is over on this side already. Throws for an id that was never given. */
  #callFor(id: number): Call | undefined {
    const call = this.calls.get(id)
    if (call === undefined && (id === 0 || (id > this.#lastCall && !this.#allGiven))) throw new Error('an answer to no call')
    return call
  }

  #slotFor(id: number): InstanceSlot | undefined {
    const slot = this.slots.get(id)
    if (slot === undefined && (id === 0 || id > this.#lastSlot)) throw new Error('word of no instance')
    return slot
  }

  #end(end: WorkerEnd): void {
    if (this.#ended) return
    this.#ended = true
    // Each call that fails here lets the next one in: not into this worker.
    this.isBlocked = true
    this.#process.pipe.destroy()
    const now = this.#listener.now()
    bill(this, end.blamed, now)
    for (const call of [...this.calls.values()]) call.fail(errorFor(end, call.fn, now > call.deadlineAt))
    this.#listener.ended(this, end)
    this.memory.close()
  }
}
