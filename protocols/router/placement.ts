/**
 * Which executor runs a call. Pure: everything it judges by is in its arguments.
 *
 * A version has one home among the executors, by rendezvous hashing (Thaler, Ravishankar 1998), so that its instances stay warm; a member
 * that joins or leaves moves only the versions that are its own. A home with no room overflows to the better of two others drawn at random
 * (Mitzenmacher 1996), judged by the load they tell and the latency measured here.
 */
import type { Random } from '#protocols/lifecycle'

export interface Candidate {
  /** `seedOf` the peer. */
  readonly seed: number
  /** Calls it may run at once. */
  readonly capacity: number
  /** Calls running or queued there, as far as known. */
  readonly inFlight: number
  /** What a call there costs besides running, measured from here; milliseconds. */
  readonly latencyMs: number
  /** It failed a moment ago. */
  readonly avoided: boolean
}

/** A cold start costs a few milliseconds and a slot in somebody's memory: worth twice the load, not worth a queue. */
const COLD_FACTOR = 2
/** Below this, differences of load or latency are noise. */
const LOAD_FLOOR = 0.1
const LATENCY_FLOOR_MS = 0.2
/** Share of overflowing calls that go to the first of the two whatever it costs: a member that was slow once is measured again. */
const EXPLORED = 0.05

/** A peer's share of the rendezvous hash; computed once per peer. FNV-1a, 32 bits. */
export function seedOf(peer: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < peer.length; at++) hash = Math.imul(hash ^ peer.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** Where instances of the version belong: the same on every node that knows the same members. `undefined` when there is nobody. */
export function homeOf<T extends { readonly seed: number }>(version: string, candidates: readonly T[]): T | undefined {
  const scoreOf = scoring(version)
  let home: T | undefined
  let best = -1
  for (const candidate of candidates) {
    const score = scoreOf(candidate)
    if (score > best) {
      best = score
      home = candidate
    } else if (score === best && home !== undefined && candidate.seed > home.seed) home = candidate
  }
  return home
}

/** Everybody in the order in which they would be home: the first is, and the next one would be without it. */
export function homesOf<T extends { readonly seed: number }>(version: string, candidates: readonly T[]): T[] {
  const scoreOf = scoring(version)
  const scores = new Map(candidates.map((each) => [each, scoreOf(each)]))
  return candidates.toSorted((a, b) => (scores.get(b) ?? 0) - (scores.get(a) ?? 0) || b.seed - a.seed)
}

function scoring(version: string): (candidate: { readonly seed: number }) => number {
  const high = Number.parseInt(version.slice(0, 8), 16)
  const low = Number.parseInt(version.slice(8, 16), 16)
  return ({ seed }) => mix(mix(seed ^ high) ^ low)
}

/** The finalizer of MurmurHash3 (public domain, Austin Appleby): every bit of the input moves every bit of the output. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export function isSaturated(candidate: Pick<Candidate, 'inFlight' | 'capacity'>): boolean {
  return candidate.inFlight >= candidate.capacity
}

/** The candidate to hand the call to; `undefined` only when there is none. `isWarm` is asked about two at most. */
export function place<T extends Candidate>(
  version: string,
  candidates: readonly T[],
  isWarm: (candidate: T) => boolean,
  random: Random,
): T | undefined {
  const home = homeOf(version, candidates)
  if (home === undefined || (!home.avoided && !isSaturated(home))) return home
  const others = candidates.filter((each) => each !== home && !each.avoided)
  // Everybody else failed too, or there is nobody else: the home is as good as any.
  if (others.length === 0) return home
  const [one, other] = twoOf(others, random)
  const choice = other === undefined || random() < EXPLORED || costOf(one, isWarm) <= costOf(other, isWarm) ? one : other
  // A full home still beats a full stranger: its instances are warm, and its queue is the one meant for the version.
  return isSaturated(choice) && !home.avoided ? home : choice
}

function costOf<T extends Candidate>(candidate: T, isWarm: (candidate: T) => boolean): number {
  const load = candidate.inFlight / Math.max(1, candidate.capacity)
  return (load + LOAD_FLOOR) * (candidate.latencyMs + LATENCY_FLOOR_MS) * (isWarm(candidate) ? 1 : COLD_FACTOR)
}

function twoOf<T>(candidates: readonly T[], random: Random): [T, T | undefined] {
  const first = Math.floor(random() * candidates.length)
  if (candidates.length === 1) return [candidates[first] as T, undefined]
  const second = (first + 1 + Math.floor(random() * (candidates.length - 1))) % candidates.length
  return [candidates[first] as T, candidates[second]]
}
