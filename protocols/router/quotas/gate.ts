/** One namespace's quota at one node: who is let in, and what those who are not are told. */
import { OsirisError } from '#protocols/errors'
import type { LimitName } from '#protocols/invocation'
import { Bucket } from './bucket.ts'
import type { Quota } from '#protocols/quota'

const HOUR_S = 3600
/** When to come again where only somebody else's end makes room. */
const CONCURRENT_RETRY_MS = 1000

/** One limit as HTTP tells it (draft-ietf-httpapi-ratelimit-headers-10): `q` per `w` seconds, of which `r` are left, more in `t` seconds. */
export interface RateLimit {
  name: string
  q: number
  w?: number
  /** The unit of `q`; absent: requests. */
  qu?: string
  r: number
  t?: number
}

export class Gate {
  readonly namespace: string
  quota: Quota
  /** Calls that were let in and have not ended. */
  inFlight = 0
  /** Calls asked for since somebody last looked. */
  asked = 0
  refused = 0
  #share = 1
  #calls: Bucket | undefined
  #cpu: Bucket | undefined
  #concurrent = Number.POSITIVE_INFINITY

  constructor(namespace: string, quota: Quota, now: number) {
    this.namespace = namespace
    this.quota = quota
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
    else this.refused++
    return refusal
  }

  /** `cpuMs`: what the call used. */
  leave(cpuMs: number, now: number): void {
    this.inFlight--
    if (cpuMs > 0) this.#cpu?.spend(cpuMs / 1000, now)
  }

  /** Whoever is refused for one reason takes nothing of the others. */
  #refusal(now: number): OsirisError | undefined {
    if (this.inFlight >= this.#concurrent) return this.#full()
    if (this.#cpu !== undefined && this.#cpu.level(now) <= 0) return this.#spent(this.#cpu, now)
    if (this.#calls !== undefined && !this.#calls.take(now)) return this.#tooFast(this.#calls, now)
    return undefined
  }

  #full(): OsirisError {
    const q = this.quota.concurrent ?? 0
    const limit = { name: 'concurrent', q, qu: 'concurrent-requests', r: 0 }
    return this.#refuse('quota_exceeded', 'concurrent', `${q} at once`, CONCURRENT_RETRY_MS, limit)
  }

  #spent(cpu: Bucket, now: number): OsirisError {
    const q = this.quota.cpuSecondsPerHour ?? 0
    const waitMs = Math.max(1, cpu.waitMs(Number.EPSILON, now))
    const limit = { name: 'cpu', q: Math.ceil(q), w: HOUR_S, qu: 'cpu-seconds', r: 0, t: seconds(waitMs) }
    return this.#refuse('quota_exceeded', 'cpuPerHour', `${q} s of processor time per hour`, waitMs, limit)
  }

  #tooFast(calls: Bucket, now: number): OsirisError {
    const q = this.quota.callsPerSecond ?? 0
    const waitMs = calls.waitMs(1, now)
    // Whole numbers: a rate below one a second is one in so many seconds.
    const limit = { name: 'calls', q: Math.max(1, Math.floor(q)), w: q < 1 ? Math.ceil(1 / q) : 1, r: 0, t: seconds(waitMs) }
    return this.#refuse('rate_limited', 'callsPerSecond', `${q} calls per second`, waitMs, limit)
  }

  #refuse(
    code: 'rate_limited' | 'quota_exceeded',
    limit: LimitName,
    text: string,
    retryAfterMs: number,
    rateLimit: RateLimit,
  ): OsirisError {
    const part = this.#share < 1 ? `, of which this node gives out ${Math.round(this.#share * 100)} %` : ''
    const sentence = `Cannot take the call: namespace "${this.namespace}" may have ${text}${part}`
    return new OsirisError(code, sentence, { details: { limit, retryAfterMs, rateLimit: [rateLimit] } })
  }
}

function resized(bucket: Bucket | undefined, ratePerSecond: number, capacity: number, now: number): Bucket {
  if (bucket === undefined) return new Bucket(ratePerSecond, capacity, now)
  bucket.resize(ratePerSecond, capacity, now)
  return bucket
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
