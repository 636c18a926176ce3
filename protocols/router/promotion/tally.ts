/**
 * What this node's executor saw of canaries and of the versions beside them, and what others told of theirs. Counts grow within a step and begin anew with
 * the next one, so a message that is lost costs nothing, and what a node told that is gone still counts.
 */
import type { Canary } from '#protocols/canary'
import { decode, encode } from '#protocols/codec'
import type { ErrorCode } from '#protocols/errors'
import type { EventMap } from '#protocols/events'
import type { Peer } from '#protocols/network'
import { bucketOf, BUCKETS, type Counts } from './judge.ts'

/** Failures that are the version's own. What its callers did wrong, and what the node refused, says nothing of it. */
const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'function_failed',
  'deadline_exceeded',
  'memory_exceeded',
  'worker_crashed',
  'result_not_serializable',
  'result_too_large',
  'egress_denied',
  'internal',
  'depth_exceeded',
])
/** Canaries told in one message, whatever was counted of them (2.4 KB each at most, and gossip takes 64 KiB); more of them are told in turns. */
const TOLD_MAX = 24
const COUNT_MAX = 2 ** 40
const SERVER_ERROR = 500

interface Sheet {
  calls: number
  errors: number
  times: number[]
}

/** Of one canary at one step: its own calls, and those of the versions beside it. */
export interface Pair {
  canary: Counts
  base: Counts
}

interface Watched {
  canary: Sheet
  base: Sheet
  versions: ReadonlyMap<string, 'canary' | 'base'>
}

const newSheet = (): Sheet => ({ calls: 0, errors: 0, times: Array.from({ length: BUCKETS }, () => 0) })

/** One canary at one step. */
export function stepKey({ id, step }: Pick<Canary, 'id' | 'step'>): string {
  return `${id}/${step}`
}

export class Tally {
  readonly #watched = new Map<string, Watched>()
  readonly #byVersion = new Map<string, Sheet[]>()
  readonly #told = new Map<string, Map<Peer, Pair>>()
  /** Who is told of first in the next message. */
  #turn = 0

  /** The canaries that run; what is known of others is forgotten. */
  watch(running: readonly Canary[]): void {
    const keys = new Set(running.map(stepKey))
    for (const known of [this.#watched, this.#told]) for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
    for (const canary of running) if (!this.#watched.has(stepKey(canary))) this.#watched.set(stepKey(canary), watchedOf(canary))
    this.#byVersion.clear()
    for (const { versions, ...sheets } of this.#watched.values())
      for (const [version, side] of versions) this.#byVersion.set(version, [...(this.#byVersion.get(version) ?? []), sheets[side]])
  }

  /** One call ended here. */
  count({ meta, code, status }: Pick<EventMap['call.finished'], 'meta' | 'code' | 'status'>): void {
    if (this.#byVersion.size === 0) return
    for (const sheet of this.#byVersion.get(meta.version) ?? []) {
      const isOwnFault = code === null ? (status ?? 0) >= SERVER_ERROR : OWN_FAULTS.has(code)
      if (code !== null && !isOwnFault) continue
      sheet.calls++
      if (isOwnFault) sheet.errors++
      else {
        const bucket = bucketOf(meta.timing.run)
        sheet.times[bucket] = (sheet.times[bucket] ?? 0) + 1
      }
    }
  }

  /** What the others are to hear; nothing where there is nothing. */
  message(): Uint8Array | undefined {
    const busy = [...this.#watched].filter(([, { canary, base }]) => canary.calls + base.calls > 0)
    if (busy.length === 0) return undefined
    const first = this.#turn % busy.length
    const told = [...busy.slice(first), ...busy.slice(0, first)].slice(0, TOLD_MAX)
    this.#turn = first + told.length
    return encode(told.map(([key, { canary, base }]) => [key, fieldsOf(canary), fieldsOf(base)]))
  }

  /** Throws for what is not a message. */
  hear(from: Peer, data: Uint8Array): void {
    const told = decode(data)
    if (!Array.isArray(told) || told.length > TOLD_MAX) throw new Error('not a tally')
    for (const each of told as unknown[]) {
      if (!Array.isArray(each) || each.length !== 3) throw new Error('not a tally')
      const [key, canary, base] = each as unknown[]
      // Of canaries that are not known to run here nothing is kept.
      if (typeof key !== 'string' || !this.#watched.has(key)) continue
      const pairs = this.#told.get(key) ?? new Map<Peer, Pair>()
      pairs.set(from, { canary: countsOf(canary), base: countsOf(base) })
      this.#told.set(key, pairs)
    }
  }

  /** All that is known of a canary's step, here and elsewhere. */
  sum(canary: Canary): Pair {
    const key = stepKey(canary)
    const own = this.#watched.get(key)
    const pairs: Pair[] = [...(this.#told.get(key)?.values() ?? []), ...(own === undefined ? [] : [own])]
    return { canary: add(pairs.map((each) => each.canary)), base: add(pairs.map((each) => each.base)) }
  }
}

function watchedOf({ version, base }: Canary): Watched {
  const others = base.flatMap((each) => (each.version === version ? [] : [[each.version, 'base'] as const]))
  return { canary: newSheet(), base: newSheet(), versions: new Map([...others, [version, 'canary'] as const]) }
}

function add(all: readonly Counts[]): Counts {
  const sum = newSheet()
  for (const { calls, errors, times } of all) {
    sum.calls += calls
    sum.errors += errors
    for (const [bucket, count] of times.entries()) sum.times[bucket] = (sum.times[bucket] ?? 0) + count
  }
  return sum
}

/** Most buckets are empty. */
function fieldsOf({ calls, errors, times }: Counts): unknown[] {
  return [calls, errors, ...times.flatMap((count, bucket) => (count === 0 ? [] : [bucket, count]))]
}

function countsOf(value: unknown): Counts {
  if (!Array.isArray(value) || value.length < 2 || value.length > 2 + 2 * BUCKETS || !value.every(isCount)) throw new Error('not counts')
  const [calls = 0, errors = 0, ...rest] = value as number[]
  const counts = newSheet()
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const bucket = rest[at] as number
    if (bucket >= BUCKETS) throw new Error('not counts')
    counts.times[bucket] = rest[at + 1] as number
  }
  const succeeded = counts.times.reduce((sum, each) => sum + each, 0)
  if (errors > calls || succeeded > calls) throw new Error('not counts')
  return { ...counts, calls, errors }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= COUNT_MAX
}
