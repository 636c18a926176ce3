/** Executors on a clock of their own, honest and not, and callers: for what shares of the calls go where. Nothing here waits for real time. */
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { failed, type Outcome, type OutcomeMeta, type PlacedInvocation } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import { sequence } from '#protocols/network'
import { homeOf, homesOf, seedOf } from './placement.ts'
import { accessOf, callOf, demoCatalog, FakeMembers, versionFor } from './router.world.ts'
import { RouterService } from './service.ts'

interface Timer {
  at: number
  run: (() => void) | undefined
}

export class VirtualClock implements Clock {
  #now = 0
  /** By time, the latest first; of one time the last asked for first. */
  readonly #timers: Timer[] = []

  now = () => this.#now
  monotonic = () => this.#now

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), run }
    let [low, high] = [0, this.#timers.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#timers[middle] as Timer).at > timer.at) low = middle + 1
      else high = middle
    }
    this.#timers.splice(low, 0, timer)
    return () => {
      timer.run = undefined
    }
  }

  /** Runs what is due until then; promises settle between two timers. */
  async run(untilMs: number): Promise<void> {
    for (;;) {
      await new Promise(setImmediate)
      const due = this.#timers.at(-1)
      if (due === undefined || due.at > untilMs) break
      this.#timers.pop()
      this.#now = due.at
      due.run?.()
    }
    this.#now = untilMs
  }
}

/** How an executor answers: after how long, and with what. It may change while calls run. */
export interface Manner {
  ms: number
  /** Before the start; after it; bytes that nobody can read, or an end of the connection; no connection. Absent: a value. */
  answers?: 'overloaded' | 'not_found' | 'function_failed' | 'garbage' | 'unreachable'
  /** Neither beats nor answers come. */
  isFrozen?: boolean
  claims?: { capacity?: number; inFlight?: number }
  /** What it says its function took, when that is not so. */
  claimsRunMs?: number
}

export interface CallSeen {
  at: number
  tookMs: number
  outcome: Outcome
  /** In the order asked. */
  asked: string[]
}

const NAMES = ['e1', 'e2', 'e3', 'e4', 'e5']
const HONEST: Manner = { ms: 5 }
const BEAT_MS = 500
const STARTED: ReadonlySet<Manner['answers']> = new Set([undefined, 'function_failed', 'garbage'])

/** Five executors; `manners` by rank for the function `name`: the first is its home's. */
export function sharesWorld(name: string, manners: readonly Manner[]) {
  const clock = new VirtualClock()
  const seeds = NAMES.map((peer) => ({ peer, seed: seedOf(peer) }))
  const order = homesOf(versionFor(name), seeds).map(({ peer }) => peer)
  const mannerOf = new Map(order.map((peer, rank) => [peer, { ...(manners[rank] ?? HONEST) }]))
  const members = new FakeMembers()
  members.set(...NAMES.map((peer) => ({ peer, name: peer, capacity: 100, ...mannerOf.get(peer)?.claims })))
  const askedFor = new Map<string, string[]>()
  const starts = new Map<string, number>()
  const aborted: string[] = []
  /** What was left at each start. */
  const deadlines: number[] = []
  /** Ways to end the connection under each call that is under way. */
  const links = new Map(NAMES.map((peer) => [peer, new Set<() => void>()]))
  const beat = () => {
    for (const each of members.list()) if (mannerOf.get(each.peer)?.isFrozen !== true) each.seenAt = clock.monotonic()
    clock.after(BEAT_MS, beat)
  }
  beat()
  const invoke = (peer: string) => async (invocation: PlacedInvocation) => {
    const asked = askedFor.get(invocation.id) ?? []
    askedFor.set(invocation.id, [...asked, peer])
    const { ms, answers, claimsRunMs } = mannerOf.get(peer) as Manner
    const timing = { route: 0, queue: 0, cold: 0, run: claimsRunMs ?? ms, cpu: 0 }
    const meta: OutcomeMeta = { version: invocation.version, node: peer, hops: 1, timing }
    if (STARTED.has(answers)) starts.set(invocation.id, (starts.get(invocation.id) ?? 0) + 1)
    const { promise, resolve } = Promise.withResolvers<void>()
    const manner = mannerOf.get(peer) as Manner
    const answer = () => (manner.isFrozen === true ? clock.after(BEAT_MS, answer) : resolve())
    clock.after(ms, answer)
    let isLost = false
    const lose = () => {
      isLost = true
      resolve()
    }
    links.get(peer)?.add(lose)
    deadlines.push(invocation.deadlineAt - clock.monotonic())
    invocation.signal?.addEventListener('abort', () => {
      aborted.push(peer)
      resolve()
    })
    await promise
    links.get(peer)?.delete(lose)
    if (isLost) return answerOf('garbage', meta)
    if (invocation.signal?.aborted === true)
      return failed(new OsirisError('deadline_exceeded', 'Cannot finish: its caller left'), meta, true)
    return answerOf(answers, meta)
  }
  const router = new RouterService({
    catalog: demoCatalog()
      .add('demo', 'public', { access: 'public' })
      .add('demo', 'idem', { access: 'public', idempotent: true })
      .add('demo', 'hedged', { access: 'public', idempotent: true, hedge: { after: '50ms' } }),
    executor: undefined,
    remote: { at: (peer) => ({ invoke: invoke(peer) }) },
    members,
    access: accessOf(),
    clock,
    random: sequence(7),
    events: createEvents(),
    peer: 'here',
  })
  const calls: CallSeen[] = []
  const call = async (deadlineMs = 10_000) => {
    const at = clock.monotonic()
    const invocation = callOf(name, { deadlineAt: at + deadlineMs })
    const seen = { at, outcome: await router.invoke(invocation), asked: askedFor.get(invocation.id) ?? [], tookMs: clock.monotonic() - at }
    calls.push(seen)
    return seen
  }
  return {
    ...{ clock, calls, call, starts, aborted, deadlines, members, order, router },
    home: homeOf(versionFor(name), seeds)?.peer as string,
    manner: (rank: number) => mannerOf.get(order[rank] as string) as Manner,
    /** As `kill -9`: the connection ends under every call, and there is no other. */
    kill(rank: number) {
      const peer = order[rank] as string
      Object.assign(mannerOf.get(peer) as Manner, { ms: 1, answers: 'unreachable' })
      for (const lose of links.get(peer) ?? []) lose()
    },
    /** One after the other, `gapMs` between them. */
    async sequence(count: number, gapMs = 20) {
      const before = calls.length
      const running = (async () => {
        for (let index = 0; index < count; index++) {
          await call()
          await new Promise<void>((resolve) => clock.after(gapMs, resolve))
        }
      })()
      while (calls.length < before + count) await clock.run(clock.monotonic() + 100)
      await clock.run(clock.monotonic() + gapMs)
      await running
      return calls.slice(before)
    },
    /** So many a second, whether those before have ended or not, until every answer is in. */
    async rate(perSecond: number, seconds: number) {
      const before = calls.length
      const startAt = clock.monotonic()
      const running: Promise<unknown>[] = []
      for (let index = 0; index < perSecond * seconds; index++)
        clock.after((index * 1000) / perSecond, () => {
          running.push(call())
        })
      await clock.run(startAt + seconds * 1000)
      await clock.run(clock.monotonic() + 12_000)
      await Promise.all(running)
      return calls.slice(before).toSorted((a, b) => a.at - b.at)
    },
  }
}

/** Part of the calls that went there first. */
export function shareOf(peer: string, calls: readonly CallSeen[]): number {
  return calls.filter(({ asked }) => asked[0] === peer).length / calls.length
}

export function quantile(calls: readonly CallSeen[], q: number): number {
  const sorted = calls.map((each) => each.tookMs).toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] as number
}

function answerOf(answers: Manner['answers'], meta: OutcomeMeta): Outcome {
  switch (answers) {
    case 'overloaded':
    case 'not_found':
      return failed(new OsirisError(answers, `Cannot run: ${answers}`), meta)
    case 'unreachable': {
      const unsent = { details: { sent: false } }
      return failed(new OsirisError('unavailable', 'Cannot dial: the connection was refused', unsent), meta)
    }
    case 'function_failed':
      return failed(new OsirisError('function_failed', 'Cannot finish: it threw'), meta, true)
    case 'garbage':
      // As the executor's client tells of bytes that it cannot read.
      return failed(new OsirisError('outcome_unknown', 'Cannot tell how "demo/public" ended'), { ...meta, node: '' }, true)
    case undefined:
      return { kind: 'value', value: new Uint8Array(), meta }
  }
}
