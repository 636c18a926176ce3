/** One namespace's quota at one node: who is let in, and what those who are not are told. */
import { OsirisError } from '#protocols/errors'
import type { LimitName } from '#protocols/invocation'
import { Bucket } from './bucket.ts'
import type { Quota } from '#protocols/quota'
import type { RateLimit } from '#protocols/rate-limit'
import type { Figures } from './figures.ts'

const HOUR_S = 3600
/** When to come again where only somebody else's end makes room. */
const CONCURRENT_RETRY_MS = 1000

export class Gate {
  readonly namespace: string
  quota: Quota
  /** Calls that were let in and have not ended. */
  inFlight = 0
  /** Calls asked for since somebody last looked. */
  asked = 0
  /** Where calls are counted for who runs the node; absent: nowhere. */
  readonly #figures: Figures | undefined
  #share = 1
  #calls: Bucket | undefined
  #cpu: Bucket | undefined
  #concurrent = Number.POSITIVE_INFINITY

  constructor(namespace: string, quota: Quota, now: number, figures?: Figures) {
    this.namespace = namespace
    this.quota = quota
    this.#figures = figures
    this.set(quota, 1, now)
  }

  get share(): number {
    return this.#share
  }

  /** `share`: the part of it that is given out here. */
  set(quota: Quota, share: number, now: number): void {
    const { callsPerSecond, concurrent, cpuSecondsPerHour } = quota
    this.quota = quota
    this.#share = share
    this.#concurrent = concurrent === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(concurrent * share))
    const rate = (callsPerSecond ?? 0) * share
    this.#calls = callsPerSecond === undefined ? undefined : resized(this.#calls, rate, Math.max(1, rate), now)
    const cpu = (cpuSecondsPerHour ?? 0) * share
    this.#cpu = cpuSecondsPerHour === undefined ? undefined : resized(this.#cpu, cpu / HOUR_S, cpu, now)
  }

  /** Lets one call in, or says why not. Whoever is let in must `leave`. */
  enter(now: number): OsirisError | undefined {
    this.asked++
    const refusal = this.#refusal(now)
    if (refusal === undefined) this.inFlight++
    if (this.#figures !== undefined) this.#figures[refusal === undefined ? 'admitted' : 'refused']++
    return refusal
  }

  /** `cpuMs`: what the call used. */
  leave(cpuMs: number, now: number): void {
    this.inFlight--
    if (!(cpuMs > 0)) return
    this.#cpu?.spend(cpuMs / 1000, now)
    if (this.#figures !== undefined) this.#figures.cpuMs += cpuMs
  }

  /** Whoever is refused for one reason takes nothing of the others. */
  #refusal(now: number): OsirisError | undefined {
    if (this.inFlight >= this.#concurrent) return this.#full(now)
    if (this.#cpu !== undefined && this.#cpu.level(now) <= 0) return this.#spent(this.#cpu, now)
    if (this.#calls !== undefined && !this.#calls.take(now)) return this.#tooFast(this.#calls, now)
    return undefined
  }

  #full(now: number): OsirisError {
    return this.#refuse('quota_exceeded', 'concurrent', `${this.quota.concurrent ?? 0} at once`, CONCURRENT_RETRY_MS, now)
  }

  #spent(cpu: Bucket, now: number): OsirisError {
    const text = `${this.quota.cpuSecondsPerHour ?? 0} s of processor time per hour`
    return this.#refuse('quota_exceeded', 'cpuPerHour', text, aboveNothingMs(cpu, now), now)
  }

  #tooFast(calls: Bucket, now: number): OsirisError {
    return this.#refuse('rate_limited', 'callsPerSecond', `${this.quota.callsPerSecond ?? 0} calls per second`, calls.waitMs(1, now), now)
  }

  #refuse(code: 'rate_limited' | 'quota_exceeded', limit: LimitName, text: string, retryAfterMs: number, now: number): OsirisError {
    const part = this.#share < 1 ? `, of which this node gives out ${Math.round(this.#share * 100)} %` : ''
    const sentence = `Cannot take the call: namespace "${this.namespace}" may have ${text}${part}`
    return new OsirisError(code, sentence, { details: { limit, retryAfterMs, rateLimit: this.limits(now) } })
  }

  /** Every limit there is, and what of it is left here. Policies are of the whole, in whole numbers: a rate below one a second is one in so many seconds. */
  limits(now: number): RateLimit[] {
    const { callsPerSecond, concurrent, cpuSecondsPerHour } = this.quota
    const limits: RateLimit[] = []
    if (this.#calls !== undefined && callsPerSecond !== undefined) {
      const policy = { q: Math.max(1, Math.floor(callsPerSecond)), w: callsPerSecond < 1 ? Math.ceil(1 / callsPerSecond) : 1 }
      limits.push({ name: 'calls', ...policy, ...leftOf(this.#calls, this.#calls.waitMs(1, now), now) })
    }
    if (concurrent !== undefined)
      limits.push({ name: 'concurrent', q: concurrent, qu: 'concurrent-requests', r: Math.max(0, this.#concurrent - this.inFlight) })
    if (this.#cpu !== undefined && cpuSecondsPerHour !== undefined)
      limits.push({
        ...{ name: 'cpu', q: Math.ceil(cpuSecondsPerHour), w: HOUR_S, qu: 'cpu-seconds' },
        ...leftOf(this.#cpu, aboveNothingMs(this.#cpu, now), now),
      })
    return limits
  }

  /** How much of what is given out here is used, from 0 to 1, by limit. */
  used(now: number): Partial<Record<LimitName, number>> {
    return {
      ...(this.#calls === undefined ? {} : { callsPerSecond: 1 - this.#calls.fullness(now) }),
      ...(Number.isFinite(this.#concurrent) ? { concurrent: Math.min(1, this.inFlight / this.#concurrent) } : {}),
      ...(this.#cpu === undefined ? {} : { cpuPerHour: 1 - this.#cpu.fullness(now) }),
    }
  }
}

/** `emptyMs`: the wait where there is nothing. */
function leftOf(bucket: Bucket, emptyMs: number, now: number): { r: number; t?: number } {
  const r = Math.max(0, Math.floor(bucket.level(now)))
  const waitMs = emptyMs > 0 ? emptyMs : bucket.waitMs(r + 1, now)
  return bucket.fullness(now) < 1 ? { r, t: seconds(waitMs) } : { r }
}

/** 0 where it is above nothing already. */
function aboveNothingMs(cpu: Bucket, now: number): number {
  return cpu.level(now) > 0 ? 0 : Math.max(1, cpu.waitMs(Number.EPSILON, now))
}

function resized(bucket: Bucket | undefined, ratePerSecond: number, capacity: number, now: number): Bucket {
  if (bucket === undefined) return new Bucket(ratePerSecond, capacity, now)
  bucket.resize(ratePerSecond, capacity, now)
  return bucket
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
