/** Attempts: which item is handed to its handler when, and what becomes of it. Only of items that this router owns. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'
import { Underway } from '../underway.ts'
import type { Claims } from './claims.ts'
import type { Copies } from './copies.ts'
import { Due } from './due.ts'
import { Lanes } from './lanes.ts'
import { adopted, backoffMs } from './lease.ts'
import { ANSWER_BYTES_MAX, type HandlerOptions, type QueueHandler, type Verdict } from './queue.ts'
import { countedOf, type Head, isOver, itemOf, namespaceOf, overAt } from './record.ts'
import { payloadLost, type Shelf } from './shelf.ts'

export interface DeliveriesInit {
  self: Peer
  shelf: Shelf
  copies: Copies
  claims: Claims
  clock: Clock
  random: Random
  events: Events
}

interface Kind {
  handler: QueueHandler
  options: Required<Omit<HandlerOptions, 'ended' | 'lanes'>> & Pick<HandlerOptions, 'ended'>
  lanes: Lanes
  /** What a namespace runs leaves room for others, however long it takes. */
  underway: Underway
}

type Done = Extract<Verdict, { kind: 'done' }>

interface Running {
  readonly controller: AbortController
  cancelled: boolean
  readonly over: Promise<void>
}

const DEFAULTS = { concurrency: 64, leaseMs: 60_000, attemptsMax: 16, backoff: { baseMs: 1000, capMs: 300_000 } }
/** A handler whose lease is over, or whose item was cancelled, has so long to say how it ended. */
const GRACE_MS = 2000
/** Where holders do not answer, or the disk refuses. */
const WAIT_MS = 2000
/** Timers of Node take no more. */
const TIMER_MS_MAX = 2 ** 31 - 1

export class Deliveries {
  readonly #init: DeliveriesInit
  readonly #due = new Due()
  readonly #kinds = new Map<string, Kind>()
  readonly #running = new Map<string, Running>()
  /** Added in this life of the process, and never owned by another: no other router can have made an attempt. */
  readonly #sure = new Set<string>()
  #cancelTimer = (): void => {}
  #stopped = false

  constructor(init: DeliveriesInit) {
    this.#init = init
  }

  isRunning(id: string): boolean {
    return this.#running.has(id)
  }

  /** In an attempt, or waiting for one. */
  isKnown(id: string): boolean {
    return this.#running.has(id) || this.#due.has(id) || [...this.#kinds.values()].some(({ lanes }) => lanes.has(id))
  }

  handle(kind: string, handler: QueueHandler, options: HandlerOptions): () => void {
    if (this.#kinds.has(kind)) throw new OsirisError('internal', `Cannot handle "${kind}": somebody does already`)
    const all = { ...DEFAULTS, ...options }
    const own: Kind = { handler, options: all, lanes: new Lanes(options.lanes), underway: new Underway(all.concurrency) }
    this.#kinds.set(kind, own)
    this.#pump()
    return () => {
      if (this.#kinds.get(kind) === own) this.#kinds.delete(kind)
    }
  }

  /** It is this router's from now on; not handed out before `at`. */
  own({ id, kind, key, notBeforeAt, expiresAt }: Head, at = 0, sure = false): void {
    if (sure) this.#sure.add(id)
    this.#due.put(id, kind, namespaceOf(key), Math.max(at, Math.min(notBeforeAt, expiresAt)))
    this.#pump()
  }

  /** It is over, a dead letter, or another's. */
  disown(id: string): void {
    this.#unlist(id)
    this.#sure.delete(id)
  }

  /** Another router has ended it, or makes an attempt: what is under way here is in vain. */
  abort(id: string): void {
    this.disown(id)
    this.#running.get(id)?.controller.abort(new OsirisError('conflict', `Cannot go on with "${id}": another router has it`))
  }

  /** Lets attempts end within `drainMs`, then aborts them. Nothing begins any more. */
  async stop(drainMs: number): Promise<void> {
    this.#stopped = true
    this.#cancelTimer()
    const open = [...this.#running.values()]
    const abort = () => {
      for (const { controller } of open) controller.abort(new OsirisError('unavailable', 'Cannot go on: the node stops'))
    }
    const cancel = this.#init.clock.after(drainMs, abort)
    await Promise.all(open.map((each) => each.over))
    cancel()
  }

  /** Of an item that waits: nothing of it begins. Of one in an attempt: that is aborted. Throws `unavailable` where it cannot be made sure. */
  async cancel(id: string): Promise<void> {
    const running = this.#running.get(id)
    if (running !== undefined) {
      running.cancelled = true
      running.controller.abort(new OsirisError('conflict', `Cannot go on with "${id}": it was cancelled`))
      return
    }
    this.#unlist(id)
    await this.#exclusively(id, async () => {
      const head = this.#init.shelf.get(id)?.head
      const claimed = head?.once === true ? await this.#init.claims.make(id) : 'begin'
      if (claimed === 'begin') return this.#finish(id, 'cancelled', {})
      if (claimed === 'unknown') return this.#giveUp(id, unknownEnd(id))
      if (claimed === 'gone') return
      throw new OsirisError('unavailable', `Cannot cancel "${id}": too few of the routers that hold it answer`)
    }).catch((error: unknown) => {
      this.#again(id)
      throw error
    })
  }

  #unlist(id: string): void {
    this.#due.remove(id)
    for (const { lanes } of this.#kinds.values()) lanes.remove(id)
  }

  #pump(): void {
    if (this.#stopped) return
    const now = this.#init.clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const [name, kind] of this.#kinds) {
      const mayHave = (namespace: string) => kind.underway.mayEnter(namespace)
      while (!kind.underway.isFull) {
        const id = this.#due.take(name, now, mayHave)
        if (id === undefined) break
        const key = this.#init.shelf.get(id)?.head.key
        if (key !== undefined && kind.lanes.enter(id, key)) void this.#attempt(id, key, kind)
      }
      next = Math.min(next, this.#due.nextAt(name, mayHave) ?? next)
    }
    this.#cancelTimer()
    if (next === Number.POSITIVE_INFINITY) return
    this.#cancelTimer = this.#init.clock.after(Math.min(TIMER_MS_MAX, Math.max(0, next - now)), () => this.#pump())
  }

  async #attempt(id: string, key: string, kind: Kind): Promise<void> {
    kind.underway.enter(namespaceOf(key))
    try {
      if (this.#running.has(id)) return
      await this.#exclusively(id, (running) => this.#make(id, kind, running))
    } catch (error) {
      this.#warn(`Cannot hand out "${id}" now: ${(error as Error).message}`)
      this.#again(id)
    } finally {
      kind.underway.leave(namespaceOf(key))
      const next = kind.lanes.leave(key)
      const waiting = next === undefined ? undefined : this.#init.shelf.get(next)?.head
      if (waiting !== undefined) this.#due.put(waiting.id, waiting.kind, namespaceOf(waiting.key), 0)
      this.#pump()
    }
  }

  async #exclusively(id: string, act: (running: Running) => Promise<void>): Promise<void> {
    const over = Promise.withResolvers<void>()
    const running: Running = { controller: new AbortController(), cancelled: false, over: over.promise }
    this.#running.set(id, running)
    try {
      await act(running)
    } finally {
      this.#running.delete(id)
      over.resolve()
    }
  }

  async #make(id: string, kind: Kind, running: Running): Promise<void> {
    const { shelf, claims, clock, self } = this.#init
    const head = shelf.get(id)?.head
    if (head === undefined || head.state !== 'waiting' || head.owner !== self) return
    if (clock.now() >= head.expiresAt) return this.#giveUp(id, expired(head))
    if (countedOf(head) >= kind.options.attemptsMax) return this.#giveUp(id, lastError(head))
    if (head.once || !this.#sure.has(id)) {
      const claimed = await claims.make(id)
      if (claimed === 'gone') return
      if (claimed === 'wait') return this.#again(id)
      if (claimed === 'unknown') return this.#giveUp(id, unknownEnd(id))
    }
    if (running.cancelled) return this.#finish(id, 'cancelled', {})
    const payload = await this.#payload(head)
    if (payload === undefined) return this.#giveUp(id, payloadLost(id))
    const verdict = await this.#run(kind, head, payload, running)
    await this.#settle(id, head.ended + 1, verdict, running.cancelled)
  }

  async #payload(head: Head): Promise<Uint8Array | undefined> {
    const { shelf, copies, self } = this.#init
    const own = await shelf.payload(head)
    if (own !== undefined) return own
    for (const peer of head.holders) {
      const found = peer === self ? undefined : await copies.payload(peer, head).catch(() => undefined)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The handler's word; the lease's, where it has none in time. */
  async #run(kind: Kind, head: Head, payload: Uint8Array, running: Running): Promise<Verdict> {
    const { clock } = this.#init
    const { signal } = running.controller
    const late = Promise.withResolvers<never>()
    late.promise.catch(() => {})
    const overLease = new OsirisError(
      'deadline_exceeded',
      `Cannot finish "${head.id}": its handler had no answer in ${kind.options.leaseMs} ms`,
    )
    let cancelGrace = () => {}
    signal.addEventListener('abort', () => {
      cancelGrace = clock.after(GRACE_MS, () => late.reject(signal.reason))
    })
    const cancelLease = clock.after(kind.options.leaseMs, () => running.controller.abort(overLease))
    try {
      if (signal.aborted) throw signal.reason
      const work = kind.handler(itemOf(head, payload), { signal, cancelled: () => running.cancelled })
      return await Promise.race([work, late.promise])
    } catch (thrown) {
      const error = OsirisError.from(thrown, `Cannot handle "${head.id}"`)
      return head.once ? { kind: 'dead', error: unknownEnd(head.id, error) } : { kind: 'again', error }
    } finally {
      cancelLease()
      cancelGrace()
    }
  }

  async #settle(id: string, attempt: number, verdict: Verdict, cancelled: boolean): Promise<void> {
    const { shelf, clock, random, self } = this.#init
    const head = shelf.get(id)?.head
    if (head === undefined || isOver(head)) return
    if (verdict.kind === 'done') return this.#finish(id, verdict.cancelled === true ? 'cancelled' : 'done', verdict, attempt)
    if (verdict.kind === 'again' && cancelled) return this.#finish(id, 'cancelled', {})
    // Whoever took it over decides what comes of it, and hears here that nothing began.
    if (head.owner !== self) {
      const ended = verdict.kind === 'again' ? Math.max(head.ended, attempt) : head.ended
      return shelf.put({ head: { ...head, ended }, claim: ended === head.ended ? (shelf.get(id)?.claim ?? null) : null })
    }
    const kind = this.#kinds.get(head.kind)
    const error = noteOf(verdict.error)
    if (verdict.kind === 'dead')
      return verdict.error.code === 'outcome_unknown' && head.once
        ? this.#giveUp(id, verdict.error)
        : this.#bury(id, verdict.error, attempt)
    const uncounted = head.uncounted + (verdict.counts === false ? 1 : 0)
    const { backoff, attemptsMax } = { ...DEFAULTS, ...kind?.options }
    const counted = attempt - uncounted
    const pause = verdict.afterMs ?? backoffMs(Math.max(1, counted), backoff, random)
    const notBeforeAt = clock.now() + Math.round(pause)
    const next: Head = { ...head, ended: attempt, uncounted, error, notBeforeAt, rev: head.rev + 1 }
    await this.#write(next)
    if (counted >= attemptsMax) return this.#giveUp(id, verdict.error)
    this.own(next)
  }

  /** The queue's own end of it: its handler may have a word for that. */
  async #giveUp(id: string, error: OsirisError): Promise<void> {
    const { shelf } = this.#init
    const head = shelf.get(id)?.head
    if (head === undefined || isOver(head)) return
    const ended = this.#kinds.get(head.kind)?.options.ended
    if (ended === undefined) return this.#bury(id, error)
    const payload = await shelf.payload(head).catch(() => undefined)
    const verdict = await ended(itemOf(head, payload ?? new Uint8Array()), error)
    return verdict.kind === 'done' ? this.#finish(id, 'done', verdict, head.ended + 1) : this.#bury(id, verdict.error)
  }

  /** `attempt`: the one that ended so. */
  async #finish(id: string, state: 'done' | 'cancelled', end: Omit<Done, 'kind'>, attempt = 0): Promise<void> {
    const { answer, keepMs } = end
    const head = this.#init.shelf.get(id)?.head
    if (head === undefined || isOver(head)) return
    const bytes = answer?.length ?? 0
    if (bytes > ANSWER_BYTES_MAX)
      return this.#bury(
        id,
        new OsirisError('result_too_large', `Cannot keep the answer of "${id}": ${bytes} bytes (at most ${ANSWER_BYTES_MAX})`),
      )
    await this.#write(
      overAt(endedBy(head, end, attempt), state, this.#init.clock.now(), {
        answerBytes: bytes,
        ...(keepMs === undefined ? {} : { keepMs }),
      }),
      answer,
    )
  }

  /** `attempt`: the one that ended so. */
  async #bury(id: string, error: OsirisError, attempt = 0): Promise<void> {
    const { shelf, clock } = this.#init
    const head = shelf.get(id)?.head
    if (head === undefined || head.state !== 'waiting') return
    const ended = Math.max(head.ended, attempt)
    await this.#write({ ...head, state: 'dead', ended, error: noteOf(error), endedAt: clock.now(), rev: head.rev + 1 })
  }

  /** On disk here, then told to the other holders. */
  async #write(head: Head, answer?: Uint8Array): Promise<void> {
    const { shelf, copies, self } = this.#init
    const stored = shelf.get(head.id)
    if (stored === undefined) return
    const isSure = head.state === 'waiting' && this.#sure.has(head.id)
    this.disown(head.id)
    await shelf.put(adopted(stored, head), answer === undefined ? {} : { answer })
    if (isSure) this.#sure.add(head.id)
    for (const peer of head.holders) if (peer !== self) copies.tell(peer, { head, answer })
  }

  #again(id: string): void {
    const { shelf, clock, self } = this.#init
    const head = shelf.get(id)?.head
    if (head?.state === 'waiting' && head.owner === self) this.own(head, clock.now() + WAIT_MS)
  }

  #warn(text: string): void {
    this.#init.events.emit('log', { level: 'warn', room: 'router', text })
  }
}

/** With the attempt that ended it, and why. */
function endedBy(head: Head, { error, counts }: Omit<Done, 'kind'>, attempt: number): Head {
  if (attempt <= head.ended) return head
  return {
    ...head,
    ended: attempt,
    uncounted: head.uncounted + (counts === false ? 1 : 0),
    error: error === undefined ? null : noteOf(error),
  }
}

function noteOf({ code, message }: OsirisError): { code: string; message: string } {
  return { code, message: message.slice(0, 4096) }
}

function expired({ id, expiresAt, error }: Head): OsirisError {
  const last = error === null ? '' : `; the last attempt: ${error.message}`
  return new OsirisError('deadline_exceeded', `Cannot hand out "${id}": it expired at ${new Date(expiresAt).toISOString()}${last}`)
}

function lastError({ id, error }: Head): OsirisError {
  return error === null
    ? new OsirisError('unavailable', `Cannot hand out "${id}": it has had all its attempts`)
    : OsirisError.fromShape({ code: error.code as OsirisError['code'], message: error.message })
}

function unknownEnd(id: string, cause?: OsirisError): OsirisError {
  const state = cause === undefined ? 'the router that was about to begin it was lost' : cause.message
  return new OsirisError('outcome_unknown', `Cannot tell how "${id}" ended: ${state}`, cause === undefined ? {} : { cause })
}
