/**
 * One isolate with one version loaded. Every entry is a turn: user code runs, promises settle, then what the isolate has to say is drained.
 * Turns of a version whose turns are short run here and now (2 µs); those of a slow one on isolated-vm's threads, so that its neighbours go on.
 */
import { isUtf8 } from 'node:buffer'
import type ivm from 'isolated-vm'
import type { WireSettings } from '../../frames.ts'
import type { EngineReports } from '../engine.ts'
import type { Blank } from './blank.ts'
import { errorJson, wireError } from './host-error.ts'
import { loadModule } from './load.ts'
import { EVENT } from './runtime/codes.ts'
import { type MailSink, readMail } from './mail.ts'

/** A version whose turns take longer than this, on average of the last few, goes to a thread. */
const SLOW_TURN_MS = 2
const LATEST_TURN_WEIGHT = 0.3
/** The isolate's own timeout comes first; this is how much later the sweep ends a call that only waits. */
const EXPIRE_GRACE_MS = 10
/** For turns on nobody's account. */
const TURN_MS_MAX = 1000
const DRAIN = { timeout: TURN_MS_MAX, result: { copy: true } } as const

interface OpenCall {
  startedAt: number
  deadlineAt: number
  responded: boolean
  /** Its own code runs on a thread now. */
  isEntered: boolean
}

export interface InstanceInit {
  id: number
  blank: Blank
  reports: EngineReports
  /** A call that was open is over. */
  onDone: (callId: number) => void
  onGone: () => void
}

export class Instance implements MailSink {
  readonly id: number
  readonly reports: EngineReports
  readonly #blank: Blank
  readonly #entries: Blank['entries']
  readonly #init: InstanceInit
  readonly #open = new Map<number, OpenCall>()
  /** Entries under way on a thread. While there are any, entering here would wait for them. */
  #aside = 0
  #turnMs = Number.POSITIVE_INFINITY
  #wake: NodeJS.Timeout | undefined
  #gone = false
  #whenIdle: (() => void)[] = []
  #bound: { resolve: () => void; reject: (error: unknown) => void } | undefined

  constructor(init: InstanceInit) {
    this.#init = init
    this.id = init.id
    this.reports = init.reports
    this.#blank = init.blank
    this.#entries = init.blank.entries
  }

  /** Compiles and evaluates the module; rejects with a WireError or an Error. */
  async load(settingsJson: string, artifact: string): Promise<void> {
    const settings = JSON.parse(settingsJson) as WireSettings
    const bound = new Promise<void>((resolve, reject) => {
      this.#bound = { resolve, reject }
    })
    const timer = setTimeout(
      () => this.#loadEnds(deadline(`Cannot load "${settings.name}": it is not ready after ${settings.loadMs} ms`)),
      settings.loadMs,
    )
    try {
      this.#entries.configure.applySync(undefined, [settingsJson])
      this.#aside++
      const evaluated = loadModule(this.#blank, settings, artifact).finally(() => this.#left(0))
      void evaluated.then(
        () => this.#pump(),
        (error: unknown) => this.#loadBroke(error),
      )
      await bound
    } finally {
      clearTimeout(timer)
      this.#bound = undefined
    }
  }

  /** Whether the call is still open afterwards. */
  call(callId: number, msLeft: number, args: string): boolean {
    if (this.#aside > 0 || this.#turnMs > SLOW_TURN_MS) return this.#callAside(callId, msLeft, args)
    const startedAt = performance.now()
    let text: string | undefined
    try {
      text = this.#entries.call.applySync(undefined, [callId, args], { timeout: msLeft })
    } catch (error) {
      this.#open.set(callId, { startedAt, deadlineAt: startedAt + msLeft, responded: false, isEntered: false })
      this.#callBroke(callId, error)
      return this.#open.has(callId)
    }
    const ranMs = performance.now() - startedAt
    this.#learn(ranMs)
    if (text !== undefined) {
      this.#answer(callId, ranMs, text)
      return false
    }
    this.#open.set(callId, { startedAt, deadlineAt: startedAt + msLeft, responded: false, isEntered: false })
    this.#pump()
    return this.#open.has(callId)
  }

  request(callId: number, msLeft: number, head: string, body: Uint8Array | undefined): boolean {
    const startedAt = performance.now()
    this.#open.set(callId, { startedAt, deadlineAt: startedAt + msLeft, responded: false, isEntered: false })
    // Text crosses for a quarter of what bytes cost, and most bodies are text.
    const given = body !== undefined && isUtf8(body) ? Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8') : body
    this.#turn(this.#entries.request, [callId, head, given], callId, msLeft)
    return this.#open.has(callId)
  }

  chunk(callId: number, bytes: Uint8Array): void {
    this.#event(EVENT.chunk, callId, bytes)
  }

  end(callId: number): void {
    this.#event(EVENT.end, callId, undefined)
  }

  broken(callId: number, reason: string): void {
    this.#event(EVENT.broken, callId, reason)
  }

  credit(callId: number, bytes: number): void {
    this.#event(EVENT.credit, callId, bytes)
  }

  cancel(callId: number): void {
    if (this.#close(callId)) this.#event(EVENT.cancel, callId, 'The caller is gone')
    // Behind the event, on whatever thread it runs: heard means that the isolate is not stuck.
    if (this.#aside === 0) this.reports.heard(callId)
    else this.#whenIdle.push(() => this.reports.heard(callId))
  }

  answer(askId: number, json: string, failed: boolean): void {
    this.#turn(this.#entries.event, [failed ? EVENT.failure : EVENT.answer, askId, json], 0, this.#msLeft())
  }

  /** Ends the call if its time is over and it waits. One that runs is the isolate's timeout's, and after that the node's, which ends the process. */
  expire(callId: number, now: number): void {
    const call = this.#open.get(callId)
    if (call === undefined || call.isEntered || now < call.deadlineAt + EXPIRE_GRACE_MS) return
    this.#expired(callId)
    this.#event(EVENT.cancel, callId, 'The deadline has passed')
  }

  /** Stops what can be stopped; `done` when nothing runs any more, which for a loop inside the engine is never. */
  dispose(done: () => void = () => {}): void {
    this.#whenIdle.push(done)
    this.#gone = true
    clearTimeout(this.#wake)
    for (const callId of this.#open.keys()) this.#init.onDone(callId)
    this.#open.clear()
    if (!this.#blank.isolate.isDisposed) this.#blank.isolate.dispose()
    if (this.#aside === 0) this.#idle()
  }

  // What the isolate said: MailSink.

  loaded(failure: string | undefined): void {
    if (failure === undefined) this.#bound?.resolve()
    else this.#loadEnds(JSON.parse(failure.slice(1)))
  }

  settled(callId: number, text: string): void {
    const call = this.#open.get(callId)
    if (call !== undefined && this.#close(callId)) this.#tell(callId, performance.now() - call.startedAt, text)
  }

  responded(callId: number, head: string, body: string | Uint8Array | undefined, open: boolean, closed: boolean): void {
    const call = this.#open.get(callId)
    if (call === undefined) return
    call.responded = true
    if (closed) this.#close(callId)
    this.reports.response(callId, performance.now() - call.startedAt, head, body, open, closed)
  }

  closed(callId: number): void {
    if (this.#close(callId)) this.reports.closed(callId)
  }

  isOpen(callId: number): boolean {
    return this.#open.has(callId)
  }

  wakeIn(delayMs: number): void {
    clearTimeout(this.#wake)
    this.#wake = delayMs < 0 ? undefined : setTimeout(() => this.#event(EVENT.tick, 0, undefined), delayMs)
  }

  // Turns.

  #callAside(callId: number, msLeft: number, args: string): boolean {
    const startedAt = performance.now()
    this.#open.set(callId, { startedAt, deadlineAt: startedAt + msLeft, responded: false, isEntered: false })
    const share = this.#entered(callId)
    void this.#entries.call.apply(undefined, [callId, args], { timeout: msLeft }).then(
      (text) => {
        this.#left(callId)
        const ranMs = performance.now() - startedAt
        this.#learn(ranMs / share)
        if (typeof text !== 'string') this.#pump()
        else if (this.#close(callId)) this.#answer(callId, ranMs, text)
      },
      (error: unknown) => {
        this.#left(callId)
        this.#learn((performance.now() - startedAt) / share)
        this.#callBroke(callId, error)
      },
    )
    return true
  }

  #event(kind: number, callId: number, value: unknown): void {
    this.#turn(this.#entries.event, [kind, callId, value], callId, this.#msLeft())
  }

  #turn(entry: ivm.Reference<(...args: never[]) => unknown>, args: unknown[], callId: number, timeout: number): void {
    if (this.#gone) return
    // Copying is asked for only where there are bytes: it costs five times as much.
    const options = typeof args[2] === 'object' ? ({ timeout, arguments: { copy: true } } as const) : { timeout }
    const startedAt = performance.now()
    if (this.#aside === 0 && this.#turnMs <= SLOW_TURN_MS) {
      try {
        entry.applySync(undefined, args as never[], options)
      } catch (error) {
        this.#turnBroke(callId, error)
        return
      }
      this.#learn(performance.now() - startedAt)
      this.#pump()
      return
    }
    const share = this.#entered(callId)
    void entry.apply(undefined, args as never[], options).then(
      () => {
        this.#left(callId)
        this.#learn((performance.now() - startedAt) / share)
        this.#pump()
      },
      (error: unknown) => {
        this.#left(callId)
        this.#turnBroke(callId, error)
      },
    )
  }

  /** Fetches what the isolate has to say. Runs no user code: promises have settled at the end of the turn. */
  #pump(): void {
    if (this.#gone) return
    if (this.#aside > 0) {
      this.#aside++
      void this.#entries.drain.apply(undefined, [], DRAIN).then(
        (mail) => {
          this.#left(0)
          this.#read(mail)
        },
        (error: unknown) => {
          this.#left(0)
          this.#turnBroke(0, error)
        },
      )
      return
    }
    try {
      this.#read(this.#entries.drain.applySync(undefined, [], DRAIN))
    } catch (error) {
      this.#turnBroke(0, error)
    }
  }

  #read(mail: unknown): void {
    if (mail !== undefined && !this.#gone) readMail(mail as unknown[], this)
  }

  #answer(callId: number, ranMs: number, text: string): void {
    if (text.charCodeAt(0) !== PLUS) return this.#tell(callId, ranMs, text)
    this.#pump()
    this.#tell(callId, ranMs, text.slice(1))
  }

  #tell(callId: number, ranMs: number, text: string): void {
    if (text.charCodeAt(0) === BANG) this.reports.failed(callId, ranMs, text.slice(1), false)
    else this.reports.value(callId, ranMs, text)
  }

  /** An entry goes to a thread. How many there are, this one included. */
  #entered(callId: number): number {
    const call = this.#open.get(callId)
    if (call !== undefined) call.isEntered = true
    return ++this.#aside
  }

  /** It has come back. */
  #left(callId: number): void {
    const call = this.#open.get(callId)
    if (call !== undefined) call.isEntered = false
    this.#aside--
    if (this.#aside === 0 && this.#whenIdle.length > 0) this.#idle()
  }

  #idle(): void {
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const each of waiting) each()
  }

  #learn(turnMs: number): void {
    this.#turnMs = this.#turnMs === Number.POSITIVE_INFINITY ? turnMs : this.#turnMs + (turnMs - this.#turnMs) * LATEST_TURN_WEIGHT
  }

  // Ends.

  #callBroke(callId: number, error: unknown): void {
    if (this.#brokeForGood(callId, error)) return
    this.#logRejection(callId, error)
    const recover = (text: unknown) => {
      if (typeof text === 'string') this.settled(callId, text.charCodeAt(0) === PLUS ? text.slice(1) : text)
      this.#pump()
    }
    if (this.#aside === 0) recover(this.#entries.last.applySync(undefined, []))
    else void this.#entries.last.apply(undefined, []).then(recover, () => {})
  }

  #turnBroke(callId: number, error: unknown): void {
    if (this.#brokeForGood(callId, error)) return
    if (this.#bound !== undefined) return this.#loadEnds(error)
    this.#logRejection(callId, error)
    this.#pump()
  }

  /** The isolate is gone, or the turn ran out of time: then whoever was first to run out of it ends. */
  #brokeForGood(callId: number, error: unknown): boolean {
    if (this.#gone) return true
    const message = error instanceof Error ? error.message : ''
    if (this.#blank.isolate.isDisposed) {
      this.#disposed(message)
      return true
    }
    if (message !== 'Script execution timed out.') return false
    const blamed = this.#open.has(callId) ? callId : this.#earliest()
    // What it logged before comes first.
    this.#pump()
    if (blamed !== undefined) this.#expired(blamed)
    return true
  }

  #disposed(message: string): void {
    const memory = message.includes('memory limit')
    const error = {
      code: memory ? 'memory_exceeded' : 'worker_crashed',
      message: memory ? 'Cannot go on: the function used more memory than its limit' : 'Cannot go on: the isolate was disposed',
    }
    if (this.#bound !== undefined) return this.#loadEnds(error)
    this.dispose()
    this.#init.onGone()
    this.reports.gone(this.id, errorJson(error))
  }

  #expired(callId: number): void {
    const call = this.#open.get(callId)
    if (call === undefined) return
    this.#close(callId)
    const ranMs = performance.now() - call.startedAt
    const error = errorJson(deadline(`Cannot finish the call: its ${Math.round(call.deadlineAt - call.startedAt)} ms are over`))
    if (!call.responded) return this.reports.failed(callId, ranMs, error, true)
    this.reports.broken(callId, error)
    this.reports.closed(callId)
  }

  #loadBroke(error: unknown): void {
    if (this.#blank.isolate.isDisposed) return this.#disposed(error instanceof Error ? error.message : '')
    const timedOut = error instanceof Error && error.message === 'Script execution timed out.'
    this.#loadEnds(timedOut ? deadline('Cannot load the function: its module runs for too long') : error)
  }

  #loadEnds(error: unknown): void {
    this.#bound?.reject(error)
  }

  #logRejection(callId: number, error: unknown): void {
    const { message, stack } = wireError(error)
    this.reports.log(this.id, this.#open.has(callId) ? callId : 0, 3, `Unhandled rejection: ${stack ?? message}`)
  }

  #close(callId: number): boolean {
    if (!this.#open.delete(callId)) return false
    this.#init.onDone(callId)
    return true
  }

  #earliest(): number | undefined {
    let first: number | undefined
    let at = Number.POSITIVE_INFINITY
    for (const [callId, call] of this.#open) {
      if (call.deadlineAt >= at) continue
      at = call.deadlineAt
      first = callId
    }
    return first
  }

  #msLeft(): number {
    const first = this.#earliest()
    const at = first === undefined ? undefined : this.#open.get(first)?.deadlineAt
    return at === undefined ? TURN_MS_MAX : Math.max(1, Math.ceil(at - performance.now()))
  }
}

const PLUS = 43
const BANG = 33

function deadline(message: string) {
  return { code: 'deadline_exceeded', message }
}
