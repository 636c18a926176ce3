/** Asynchronous calls on a router: takes them in, begins those that the queue hands out here, and tells of those that any router holds. */
import type { Access } from '#protocols/access'
import { idOfCause } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { CALL_ID_PATTERN } from '#protocols/function'
import { failed, type Caller, type Invocation, isRouteTarget, type Outcome } from '#protocols/invocation'
import type { Clock, Random, Startable } from '#protocols/lifecycle'
import { TIMEOUT_MS_MAX } from '#protocols/manifest'
import {
  type ItemDetail,
  type ItemView,
  LISTED_MAX,
  type ListFilter,
  type Queue,
  type QueueHandler,
  type QueueItem,
  type Verdict,
} from '../queue/queue.ts'
import { namespaceOf } from '../queue/record.ts'
import type { RouterService } from '../service.ts'
import {
  bodyOf,
  CALLBACK_KIND,
  callbackIdOf,
  callbackItem,
  callbackKeyOf,
  deadCallbackOf,
  judgeCallback,
  makeCallbacks,
  type Outside,
} from './callbacks.ts'
import {
  CALL_LIFE_MS,
  type CallbackDecision,
  type DeadCallback,
  type Calls,
  type CallStatus,
  type NewCall,
  RESULT_KEEP_MS,
  WAIT_MS_MAX,
  type Waiting,
} from './calls.ts'
import {
  aboutOf,
  answerOf,
  CALL_KIND,
  callIdOf,
  callOf,
  type Callback,
  isOpen,
  itemIdOf,
  payloadOf,
  statusOf,
  withOutcome,
} from './records.ts'
import { courseOf, pauseMs } from './verdict.ts'

export interface CallsServiceInit {
  queue: Queue
  router: Pick<RouterService, 'invoke' | 'admit'>
  access: Pick<Access, 'require' | 'requireInvoke' | 'mayInvoke' | 'principalOf'>
  outside: Outside
  clock: Clock
  random: Random
  events: Pick<Events, 'emit'>
  /** Not to be guessed. */
  randomBytes: (length: number) => Uint8Array
}

type Attempt = Parameters<QueueHandler>[1]

/** Besides the function's own time: to find and reach it, and to take its answer. */
const LEASE_MS = TIMEOUT_MS_MAX + 10_000
/** Calls under way from this router; executors have queues and bounds of their own. */
const CONCURRENCY = 128
const ATTEMPTS_MAX = 100
/** To find the function, on a peer where the ledger is not here. */
const SUBMIT_MS = 10_000
/** Callers that wait on this router; more are answered at once. */
const WAITING_MAX = 1000
/** Between two looks at what other routers hold. */
const LOOK_MS = 50
const LOOK_MS_MAX = 1000

export class CallsService implements Calls, Startable {
  readonly #init: CallsServiceInit
  #stops: (() => void)[] = []
  /** Callers that wait for the end of a call. */
  #waiting = 0

  constructor(init: CallsServiceInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    if (this.#stops.length > 0) return
    const { queue, outside, clock } = this.#init
    const handle = (item: QueueItem, attempt: Attempt) => this.#make(item, attempt)
    const ended = (item: QueueItem, error: OsirisError) => this.#give(item, failed(error, {}, error.code === 'outcome_unknown'), false)
    this.#stops = [
      queue.handle(CALL_KIND, handle, { concurrency: CONCURRENCY, leaseMs: LEASE_MS, attemptsMax: ATTEMPTS_MAX, ended }),
      makeCallbacks(queue, outside, clock),
    ]
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
  }

  async submit(call: NewCall): Promise<{ id: string }> {
    const { queue, router, access, clock, randomBytes } = this.#init
    const id = Buffer.from(randomBytes(16)).toString('hex')
    const invocation = invocationOf(call.invocation, id, clock.monotonic() + SUBMIT_MS)
    const { namespace, name, manifest } = await router.admit(invocation)
    const open = !(await access.mayInvoke(invocation.caller, namespace))
    const callback = this.#callbackOf(call, namespace, open)
    const payload = await payloadOf(invocation, callback, clock.monotonic())
    const key = `${namespace}/${name}`
    const once = !manifest.settings.idempotent
    await queue.add([
      { id: itemIdOf(id), key, kind: CALL_KIND, payload, about: aboutOf(open), expiresAt: clock.now() + CALL_LIFE_MS, once },
    ])
    return { id }
  }

  async get(id: string, caller: Caller, { waitMs = 0, signal }: Waiting = {}): Promise<CallStatus> {
    const item = await this.#found(id, caller)
    if (waitMs === 0 || this.#waiting >= WAITING_MAX) return statusOf(item)
    this.#waiting += 1
    try {
      return await statusOf(await this.#waitFor(item, caller, Math.min(waitMs, WAIT_MS_MAX), signal))
    } finally {
      this.#waiting -= 1
    }
  }

  /** Judged with every look: a grant may end meanwhile. */
  async #waitFor(found: ItemDetail, caller: Caller, waitMs: number, signal: AbortSignal | undefined): Promise<ItemDetail> {
    const { queue, clock } = this.#init
    const id = callIdOf(found)
    const endsAt = clock.monotonic() + waitMs
    let item = found
    for (let pauseMs = LOOK_MS; ; pauseMs = Math.min(2 * pauseMs, LOOK_MS_MAX)) {
      const leftMs = endsAt - clock.monotonic()
      if (item.state === 'done' || item.state === 'cancelled' || leftMs <= 0 || signal?.aborted === true) return item
      await queue.changed(item.id, Math.min(pauseMs, leftMs), signal)
      item = await this.#found(id, caller)
    }
  }

  async cancel(id: string, caller: Caller): Promise<CallStatus> {
    await this.#found(id, caller)
    await this.#init.queue.cancel(itemIdOf(id))
    return this.get(id, caller)
  }

  async list(namespace: string, limit: number, caller: Caller): Promise<CallStatus[]> {
    return Promise.all((await this.#listed({ kind: CALL_KIND }, namespace, limit, caller)).map(statusOf))
  }

  async deadCallbacks(namespace: string, limit: number, caller: Caller): Promise<DeadCallback[]> {
    const dead = await this.#listed({ kind: CALLBACK_KIND, states: ['dead'] }, namespace, limit, caller)
    return dead.flatMap((each) => deadCallbackOf(each) ?? [])
  }

  async #listed(what: Pick<ListFilter, 'kind' | 'states'>, namespace: string, limit: number, caller: Caller): Promise<ItemView[]> {
    const { queue, access } = this.#init
    await access.requireInvoke(caller, namespace, false)
    return queue.list({ ...what, key: `${namespace}/`, limit: Math.min(limit, LISTED_MAX) })
  }

  async decideCallback(decision: CallbackDecision, id: string, caller: Caller): Promise<void> {
    const { queue, access } = this.#init
    const item = CALL_ID_PATTERN.test(id) ? await queue.look(callbackIdOf(id)) : undefined
    // Whoever has no grant learns nothing of what there is, and who has an id only nothing of its namespace.
    if (item !== undefined) await access.require(caller, 'deploy', namespaceOf(item.key))
    else await access.principalOf(caller)
    if (item?.state === 'dead' && (await queue[decision](item.id))) return
    const state = 'no callback of this call was given up, or it was taken care of'
    throw new OsirisError('not_found', `Cannot ${decision} the callback of call ${JSON.stringify(id.slice(0, 64))}: ${state}`)
  }

  async #found(id: string, caller: Caller): Promise<ItemDetail> {
    const { queue, access } = this.#init
    const item = CALL_ID_PATTERN.test(id) ? await queue.look(itemIdOf(id)) : undefined
    if (item === undefined) {
      const state = `no call has this id, or what came of it is no longer kept`
      throw new OsirisError('not_found', `Cannot find call ${JSON.stringify(id.slice(0, 64))}: ${state}`)
    }
    if (!isOpen(item.about)) await access.requireInvoke(caller, namespaceOf(item.key), false)
    return item
  }

  /** Strangers may call a public function, and not have this universe call somebody else. */
  #callbackOf({ callback, invocation: { caller } }: NewCall, namespace: string, open: boolean): Callback | undefined {
    if (callback === undefined) return undefined
    const { token } = caller
    if (token === undefined)
      throw new OsirisError('unauthenticated', 'Cannot call back: it takes a token, which the signature is made with')
    if (open) throw new OsirisError('forbidden', `Cannot call back: it takes a grant to invoke in namespace "${namespace}"`)
    judgeCallback(callback, this.#init.outside)
    return { url: callback, key: callbackKeyOf(token) }
  }

  async #make(item: QueueItem, attempt: Attempt): Promise<Verdict> {
    const { router, clock, random } = this.#init
    const { signal } = attempt
    const { invocation } = await callOf(item.payload, clock, signal)
    const outcome = await router.invoke({ ...invocation, id: attemptIdOf(invocation.id, item.attempts) })
    const course = courseOf(outcome, { idempotent: !item.once, cancelled: attempt.cancelled(), aborted: signal.aborted })
    if (course === 'over') return this.#give(item, outcome, attempt.cancelled() && outcome.kind === 'failed')
    if (course === 'unknown') return this.#give(item, failed(givenUp(item), outcome.meta, true), false)
    const error = outcome.kind === 'failed' ? outcome.error : givenUp(item)
    const isStart = outcome.kind === 'failed' && outcome.started
    const afterMs = pauseMs(clock.now() - item.addedAt, random())
    return isStart ? { kind: 'again', error, afterMs } : { kind: 'again', error, afterMs, counts: false }
  }

  /** Whoever wants to be told is noted before the call is over: with it, that would be lost. */
  async #give(item: QueueItem, result: Outcome, cancelled: boolean): Promise<Exclude<Verdict, { kind: 'again' }>> {
    const { queue, clock } = this.#init
    const { outcome, answer } = await answerOf(result, cancelled)
    const counts = outcome.kind !== 'failed' || outcome.started
    const callback = await callbackIn(item, clock)
    if (callback !== undefined) {
      const now = clock.now()
      const waiting = await statusOf({ ...item, state: 'running', bytes: item.payload.length, attempts: item.attempts - (counts ? 0 : 1) })
      const told = await withOutcome({ ...waiting, state: cancelled ? 'cancelled' : 'done', endedAt: now }, outcome)
      // A queue that is full does not undo the call.
      await queue
        .add([callbackItem(callIdOf(item), item.key, callback, bodyOf(told), now)])
        .catch((error: unknown) => this.#lost(item, callback, error))
    }
    const error = outcome.kind === 'failed' ? { error: outcome.error } : {}
    return { kind: 'done', answer, keepMs: RESULT_KEEP_MS, cancelled, ...error, ...(counts ? {} : { counts }) }
  }

  /** Nobody will be told; the id of the call stands in no log. */
  #lost({ key }: QueueItem, { url }: Callback, error: unknown): void {
    const { code } = OsirisError.from(error, 'Cannot queue it')
    const text = `Cannot tell ${new URL(url).origin} of a call of "${key}": the queue did not take the callback (${code})`
    this.#init.events.emit('log', { level: 'warn', room: 'calls', text })
  }
}

async function callbackIn({ payload }: QueueItem, clock: Clock): Promise<Callback | undefined> {
  try {
    return (await callOf(payload, clock, new AbortController().signal)).callback
  } catch {
    // A payload that was damaged.
    return undefined
  }
}

/** Another id than the call's: logs show it to whoever may read them, and the call's own opens what came of it. */
function invocationOf(submitted: Invocation, id: string, deadlineAt: number): Invocation {
  const call: Invocation = { ...submitted, id: idOfCause(id), deadlineAt, hops: 0, depth: 0 }
  // Nobody waits above it.
  for (const key of ['signal', 'chain', 'path', 'by'] as const) Reflect.deleteProperty(call, key)
  if (isRouteTarget(call.target) || call.payload.kind === 'event')
    throw new OsirisError('invalid_argument', 'Cannot take the call: it names no function, or is no call of one')
  return call
}

/** Executors start a call of one id once. The first attempt has the call's, so that two routers that both hold it start it once; another attempt is another start. */
function attemptIdOf(id: string, attempt: number): string {
  return attempt <= 1 ? id : idOfCause(`${id} ${attempt}`)
}

function givenUp({ key }: QueueItem): OsirisError {
  return new OsirisError('outcome_unknown', `Cannot tell how "${key}" ended: the router that waited for it gave it up`)
}
