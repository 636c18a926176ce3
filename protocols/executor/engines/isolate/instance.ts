/** One isolate with one version loaded. Every entry is a turn: user code runs, promises settle, then what the isolate has to say is drained. */
import { isUtf8 } from 'node:buffer'
import type ivm from 'isolated-vm'
import type { EventHandler } from '#protocols/invocation'
import type { WireSettings } from '../../frames.ts'
import type { EngineReports, LoadParts, LoadRequest } from '../engine.ts'
import { hasMail, ownerOf, SWITCHING, tell } from './answer.ts'
import type { Entries, TextEntry } from './context.ts'
import { Desk } from './crypto/desk.ts'
import { deadline, disposedError, ENDLESS, errorJson, wireError, notReady, rejectionText, TAMPERED } from './host-error.ts'
import { type Account, asideOf, type Entering } from './entering.ts'
import { HeapWatch } from './heap-watch.ts'
import type { InstanceInit } from './instance-init.ts'
import { type Compiled, loadModule } from './load.ts'
import { type MailSink, readMail } from './mail.ts'
import { billOf, endingOf, OpenCalls } from './open-calls.ts'
import { EVENT } from './runtime/codes.ts'
import { settle } from './settle.ts'
import { reportsWith, Stacks } from './stacks.ts'
import { DRAIN, Turns, WITH_BYTES } from './turns.ts'

export class Instance implements MailSink {
  readonly id: number
  readonly reports: EngineReports
  readonly #init: InstanceInit
  readonly isolate: ivm.Isolate
  /** With others of its namespace. */
  readonly isShared: boolean
  readonly #entries: Entries
  readonly turns: Turns
  readonly #heap: HeapWatch
  readonly #stacks = new Stacks()
  readonly #open: OpenCalls
  readonly #account: Account
  #wake: NodeJS.Timeout | undefined
  /** Made when the function first asks for cryptography. */
  #desk: Desk | undefined
  #gone = false
  #bound: { resolve: () => void; reject: (error: unknown) => void } | undefined
  #isLoaded = false

  constructor(init: InstanceInit) {
    this.#init = init
    this.id = init.id
    this.reports = reportsWith(this.#stacks, init.reports)
    this.isolate = init.blank.isolate
    this.isShared = init.blank.isShared
    this.#entries = init.blank.entries
    this.turns = new Turns(this.isolate, this.isShared)
    this.#heap = new HeapWatch(this.isolate, (bytes) => this.reports.memory(this.id, bytes))
    this.#open = new OpenCalls(
      (callId) => {
        init.onDone(callId)
        this.#desk?.callEnded(callId)
      },
      () => this.#desk?.resume(),
    )
    const back = () => this.turns.isIdle && this.#heap.look()
    this.#account = { open: this.#open, timeouts: init.timeouts, late: (callId) => this.#endEarly(callId), back }
  }

  /** Nothing of it runs or waits. */
  get isAtRest(): boolean {
    return !this.#gone && this.#open.isEmpty && this.turns.isIdle
  }

  /** Compiles and evaluates the module; rejects with a WireError. */
  async load({ settings: settingsJson, artifact, cached }: LoadRequest): Promise<Omit<LoadParts, 'isolate'> & Compiled> {
    const settings = JSON.parse(settingsJson) as WireSettings
    this.#open.cpuMsMax = settings.cpuMs
    const startedAt = performance.now()
    let compiledAt = startedAt
    let how: Compiled = { fromCache: false, importsFunction: false }
    const compiled = (found: Compiled) => {
      compiledAt = performance.now()
      how = found
    }
    const bound = new Promise<void>((resolve, reject) => {
      this.#bound = { resolve, reject }
    })
    const timer = setTimeout(() => this.#bound?.reject(notReady(settings)), settings.loadMs)
    try {
      this.#entries.configure.applySync(undefined, [settingsJson])
      this.turns.entered()
      const code = this.#stacks.take(settings.name, artifact)
      const evaluated = loadModule({ blank: this.#init.blank, settings, code, cached, compiled }).finally(() => this.turns.left())
      void evaluated.then(
        () => this.#pump(),
        (error: unknown) => this.#turnBroke(0, error),
      )
      await bound
      return { compile: compiledAt - startedAt, first: performance.now() - compiledAt, ...how }
    } catch (error) {
      throw this.#stacks.error(wireError(error))
    } finally {
      clearTimeout(timer)
      this.#bound = undefined
    }
  }

  /** Whether the call is still open afterwards. */
  call(callId: number, msLeft: number, args: string, from?: string): boolean {
    return this.#begin(this.#entries.call, from === undefined ? [callId, args] : [callId, args, from], callId, msLeft)
  }

  /** The same for an event. */
  handle(callId: number, msLeft: number, handler: EventHandler, event: string): boolean {
    return this.#begin(this.#entries.handle, [callId, handler, event], callId, msLeft)
  }

  #begin(entry: TextEntry, args: unknown[], callId: number, msLeft: number): boolean {
    const startedAt = performance.now()
    this.#heap.countCall(this.turns.isIdle)
    if (!this.turns.mayRunHere) return this.#beginAside(entry, args, callId, msLeft)
    const options = this.#init.timeouts.for(Math.min(msLeft, this.#open.cpuMsMax), startedAt)
    let text: string | undefined
    try {
      text = entry.applySync(undefined, args as never[], options) as string | undefined
    } catch (error) {
      this.#open.add(callId, startedAt, msLeft)
      this.#open.charge(callId, performance.now() - startedAt)
      this.#callBroke(callId, error)
      return this.#open.has(callId)
    }
    const ranMs = performance.now() - startedAt
    this.turns.learn(ranMs)
    if (text !== undefined) {
      this.#answer(callId, ranMs, ranMs, text)
      return false
    }
    this.#open.add(callId, startedAt, msLeft)
    this.#open.charge(callId, ranMs)
    this.#pump()
    return this.#open.has(callId)
  }

  request(callId: number, msLeft: number, head: string, body: Uint8Array | undefined): boolean {
    this.#open.add(callId, performance.now(), msLeft)
    this.#heap.countCall(this.turns.isIdle)
    // Text crosses for a quarter of what bytes cost, and most bodies are text.
    const given = body !== undefined && isUtf8(body) ? Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8') : body
    this.#turn(this.#entries.request, [callId, head, given], callId, msLeft)
    return this.#open.has(callId)
  }

  /** Brings in an event of EVENT: a part of the request's body, room for the response's, an end. */
  feed(kind: number, callId: number, value: unknown): void {
    if (kind === EVENT.chunk) this.#open.renew(callId)
    this.#turn(this.#entries.event, [kind, callId, value], callId, this.#open.msLeft())
  }

  cancel(callId: number): void {
    if (this.#open.close(callId)) this.feed(EVENT.cancel, callId, 'The caller is gone')
    // Behind the event, on whatever thread it runs: heard means that the isolate is not stuck.
    this.#whenQuiet(() => this.reports.heard(callId))
  }

  /** An event about something a call asked for; the isolate says whose it was. */
  told(id: number, event: number, value: ArrayBuffer | Uint8Array | string | number | undefined): void {
    this.#turn(this.#entries.event, [event, id, value], 0, this.#open.msLeft())
  }

  /** Ends the call if its time is over and it waits. One that runs is the isolate's timeout's, and after that the node's, which ends the process. */
  expire(callId: number, now: number): void {
    if (!this.#open.isLate(callId, now)) return
    const hasBegun = this.#open.get(callId)?.isQueued === false
    this.#endEarly(callId)
    if (hasBegun) this.feed(EVENT.cancel, callId, 'The deadline has passed')
  }

  /** Calls that computed for longer than they may, turn by turn: one long turn is the isolate's timeout's. */
  #endOverdrawn(): void {
    for (const callId of this.#open.takeOverdrawn()) {
      this.#endEarly(callId)
      this.feed(EVENT.cancel, callId, 'The processor time is used up')
    }
  }

  /** Work that was done for a call outside its isolate; what is over its limit ends. */
  spend(callId: number, cpuMs: number): void {
    this.#open.charge(callId, cpuMs)
    this.#endOverdrawn()
  }

  /** Stops what can be stopped; `done` when nothing runs any more, which for a loop inside the engine is never. */
  dispose(done: () => void = () => {}): void {
    this.#gone = true
    this.#bound?.reject(new Error('the instance was given up'))
    clearTimeout(this.#wake)
    this.#open.clear()
    this.#init.blank.release()
    this.#desk?.dispose()
    this.#whenQuiet(done)
  }

  // What the isolate said: MailSink.

  loaded(failure: string | undefined): void {
    this.#isLoaded = failure === undefined
    if (failure === undefined) this.#bound?.resolve()
    else this.#bound?.reject(JSON.parse(failure.slice(1)))
  }

  settled(callId: number, text: string): void {
    const ranMs = this.#open.age(callId)
    const cpuMs = this.#open.cpuMs(callId)
    if (this.#open.close(callId)) tell(this.reports, callId, ranMs, cpuMs, text)
  }

  responded(callId: number, head: string, body: string | Uint8Array | undefined, open: boolean, closed: boolean): void {
    if (!this.#open.respond(callId)) return
    if (head.startsWith(SWITCHING)) this.#open.keep(callId)
    const ranMs = this.#open.age(callId)
    this.reports.spent(callId, this.#open.cpuMs(callId))
    if (closed) this.#open.close(callId)
    this.reports.response(callId, ranMs, head, body, open, closed)
  }

  closed(callId: number): void {
    const cpuMs = this.#open.cpuMs(callId)
    if (this.#open.close(callId)) this.reports.closed(callId, cpuMs)
  }

  isOpen(callId: number): boolean {
    return this.#open.has(callId)
  }

  wakeIn(delayMs: number): void {
    clearTimeout(this.#wake)
    this.#wake = delayMs < 0 ? undefined : setTimeout(() => this.feed(EVENT.tick, 0, undefined), delayMs)
  }

  crypto(operationId: number, request: unknown, callId: number): void {
    this.#desk ??= new Desk({
      gate: this.#init.gate,
      isLive: () => this.#bound !== undefined || this.#open.size > 0,
      spent: (id, ms) => this.spend(id, ms),
      tell: (event, id, value) => this.told(id, event, value),
    })
    this.#desk.ask(operationId, request, callId)
  }

  // Turns.

  /** Nothing of it is at work: no turn, and no search for primes, which nobody can stop. */
  #whenQuiet(run: () => void): void {
    this.turns.whenIdle(() => (this.#desk === undefined ? run() : this.#desk.whenLight(run)))
  }

  #beginAside(entry: TextEntry, args: unknown[], callId: number, msLeft: number): boolean {
    this.#open.add(callId, performance.now(), msLeft)
    const ended = (text: unknown) => {
      if (typeof text !== 'string') return this.#spoke()
      const ranMs = this.#open.age(callId)
      const cpuMsInAll = this.#open.cpuMs(callId)
      if (this.#open.close(callId)) this.#answer(callId, ranMs, cpuMsInAll, text)
    }
    const entering = { entry, args, callId, msLeft, isFirst: true }
    this.#aside(entering, ended, (error) => this.#callBroke(callId, error))
    return true
  }

  #turn(entry: ivm.Reference<(...args: never[]) => unknown>, args: unknown[], callId: number, msLeft: number): void {
    if (this.#gone) return
    // Copying is asked for only where there are bytes: it costs five times as much.
    const copy = typeof args[2] === 'object' ? WITH_BYTES : {}
    if (!this.turns.mayRunHere) {
      const entering = { entry, args, callId, msLeft, isFirst: entry === this.#entries.request, copy }
      return this.#aside(
        entering,
        () => this.#spoke(),
        (error) => this.#turnBroke(callId, error),
      )
    }
    const startedAt = performance.now()
    const options = { ...this.#init.timeouts.for(this.#open.turnMsLeft(callId, msLeft), startedAt), ...copy }
    let owner: unknown
    try {
      owner = entry.applySync(undefined, args as never[], options)
    } catch (error) {
      this.#open.charge(callId, performance.now() - startedAt)
      this.#turnBroke(callId, error)
      return
    }
    const ranMs = performance.now() - startedAt
    this.turns.learn(ranMs)
    this.#open.charge(ownerOf(owner, callId), ranMs)
    this.#spoke()
  }

  #aside(entering: Entering, ended: (result: unknown) => void, broke: (error: unknown) => void): void {
    this.turns.aside(asideOf(entering, this.#account, ended, broke))
  }

  /** After a turn: what it said, and what it used. */
  #spoke(): void {
    this.#pump()
    this.#endOverdrawn()
  }

  /** Fetches what the isolate has to say. Runs no user code: promises have settled at the end of the turn. */
  #pump(): void {
    if (this.#gone) return
    const { drain } = this.#entries
    const read = (mail: unknown) => {
      if (mail === undefined || this.#gone || readMail(mail, this)) return
      this.isolateGone('', TAMPERED)
    }
    const broke = (error: unknown) => this.#turnBroke(0, error)
    if (!this.turns.isIdle) return this.turns.aside({ entry: drain, args: [], begin: () => DRAIN, ended: read, broke })
    try {
      read(drain.applySync(undefined, [], DRAIN))
    } catch (error) {
      broke(error)
    }
  }

  #answer(callId: number, ranMs: number, cpuMs: number, text: string): void {
    if (!hasMail(text)) return tell(this.reports, callId, ranMs, cpuMs, text)
    this.#pump()
    tell(this.reports, callId, ranMs, cpuMs, text.slice(1))
  }

  // Ends.

  /** An error of a call's own turn that is not its end is somebody's unhandled rejection: the call's answer is still inside. */
  #callBroke(callId: number, error: unknown): void {
    if (this.#brokeForGood(callId, error)) return
    this.#logRejection(callId, error)
    this.#settle(callId, (text) => {
      if (typeof text === 'string') this.settled(callId, hasMail(text) ? text.slice(1) : text)
      this.#pump()
    })
  }

  #turnBroke(callId: number, error: unknown): void {
    if (this.#brokeForGood(callId, error)) return
    const bound = this.#bound
    if (bound === undefined) this.#logRejection(callId, error)
    this.#settle(callId, () => {
      // The module may have run to its end all the same: then it is a rejection that nobody handled.
      this.#pump()
      if (bound === undefined) return
      if (this.#isLoaded) this.#logRejection(callId, error)
      else bound.reject(error)
    })
  }

  /** What is left to settle settles, as long as rejections come of it; only then can mail be fetched without losing it. */
  #settle(callId: number, settled: (text: unknown) => void): void {
    const broke = (error: unknown) => this.#brokeForGood(callId, error) || this.#logRejection(callId, error)
    settle({ turns: this.turns, last: this.#entries.last, broke, settled, endless: () => this.isolateGone('', ENDLESS) })
  }

  /** The isolate is gone, or the turn ran out of time: then whoever was first to run out of it ends. */
  #brokeForGood(callId: number, error: unknown): boolean {
    if (this.#gone) return true
    const message = error instanceof Error ? error.message : ''
    if (this.isolate.isDisposed) {
      this.isolateGone(message)
      return true
    }
    if (message !== 'Script execution timed out.') return false
    if (this.#bound !== undefined) this.#bound.reject(deadline('Cannot load the function: its module runs for too long'))
    const blamed = this.#open.has(callId) ? callId : this.#open.earliest()
    // What it logged before comes first.
    this.#pump()
    if (blamed !== undefined) this.#endEarly(blamed)
    return true
  }

  /** The isolate is no more: why, or a neighbour in it brought it down. */
  isolateGone(message = '', error = disposedError(message, this.isShared)): void {
    if (this.#gone) return
    if (this.#bound !== undefined) return this.#bound.reject(error)
    this.dispose()
    this.#init.onGone()
    this.reports.gone(this.id, errorJson(error))
  }

  /** Its deadline has passed, or else it has used up its processor time: a turn ends early for no other reason. */
  #endEarly(callId: number): void {
    const call = this.#open.get(callId)
    if (call === undefined) return
    this.#open.close(callId)
    const error = errorJson(endingOf(call, performance.now(), this.#open.cpuMsMax))
    // What never ran has left nothing behind.
    if (!call.responded) return this.reports.failed(callId, performance.now() - call.startedAt, billOf(call), error, !call.isQueued)
    this.reports.broken(callId, error)
    this.reports.closed(callId, billOf(call))
  }

  /** It ends nothing. */
  #logRejection(callId: number, error: unknown): false {
    this.reports.log(this.id, this.#open.has(callId) ? callId : 0, 3, rejectionText(error))
    return false
  }
}
