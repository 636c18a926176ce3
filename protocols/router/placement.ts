/**
 * Which executor runs a call. Pure: everything it judges by is in its arguments.
 *
 * A version has one home among the executors, by rendezvous hashing (Thaler, Ravishankar 1998), so that its instances stay warm; a member
 * that joins or leaves moves only the versions that are its own. A home with no room overflows to the better of two others drawn at random
 * (Mitzenmacher 1996); where there are instances on several members, so does what is more than the home's should have, to the better of two of those.
 * Judged by their load and the latency measured here. What a member tells of itself is a hint: its load counts as at least what was handed to it from here,
 * and its capacity as at most a few times the other's.
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
  /** It failed a moment ago, or is worse than others at the same work. */
  readonly avoided: boolean
}

/** What is known of a version at the members that are compared. */
export interface Knowledge<T> {
  /** Asked about everybody. */
  isWarm(candidate: T): boolean
  /** Whether it has fewer of its calls than an instance should have (`scale.target`), as far as is known here. */
  hasRoom(candidate: T): boolean
  /** Whether it has as many of its calls as it may. */
  isFull(candidate: T): boolean
  /** What its calls take there, measured from here, in milliseconds; `undefined` until some ended. */
  typicalMs(candidate: T): number | undefined
}

/** A cold start costs a few milliseconds and a slot in somebody's memory: worth twice the load, not worth a queue. */
const COLD_FACTOR = 2
/** Below this, differences of load or latency are noise. */
const LOAD_FLOOR = 0.1
const LATENCY_FLOOR_MS = 0.2
/** Share of overflowing calls that go to the first of the two whatever it costs: a member that was slow once is measured again. */
const EXPLORED = 0.05
/** Machines of one mesh differ, but a claim beyond this says nothing more. */
const CAPACITY_FACTOR_MAX = 8

/** A peer's share of the rendezvous hash; computed once per peer. FNV-1a, 32 bits. */
export function seedOf(peer: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < peer.length; at++) hash = Math.imul(hash ^ peer.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** Where instances of the version belong: the same on every node that knows the same members. `undefined` when there is nobody. */
export function homeOf<T extends { readonly seed: number }>(version: string, candidates: readonly T[]): T | undefined {
  if (candidates.length <= 1) return candidates[0]
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

/** The candidate to hand the call to; `undefined` only when there is none. */
export function place<T extends Candidate>(
  version: string,
  candidates: readonly T[],
  knowledge: Knowledge<T>,
  random: Random,
): T | undefined {
  const able = candidates.some((each) => each.avoided) ? candidates.filter((each) => !each.avoided) : candidates
  // Everybody failed a moment ago: then whoever has least to do.
  if (able.length === 0) return better(candidates, knowledge, random)
  // Where its instances are is decided by who scales it; the rank says where the first one goes.
  const warm = able.filter((each) => knowledge.isWarm(each))
  const home = homeOf(version, warm.length > 0 ? warm : able)
  const mayTake = (each: T) => !isSaturated(each) && !knowledge.isFull(each)
  if (home === undefined || able.length === 1) return home
  if (mayTake(home) && (warm.length <= 1 || knowledge.hasRoom(home))) return home
  const open = warm.filter(mayTake)
  if (open.length > 0) return better(open, knowledge, random)
  const others = able.filter((each) => each !== home)
  const choice = better(others, knowledge, random)
  // A full home still beats a full stranger: its instances are warm, and its queue is the one meant for the version.
  return choice === undefined || isSaturated(choice) ? home : choice
}

/** Of two drawn at random. */
function better<T extends Candidate>(candidates: readonly T[], knowledge: Knowledge<T>, random: Random): T | undefined {
  if (candidates.length === 0) return undefined
  const [one, other] = twoOf(candidates, random)
  return other === undefined || random() < EXPLORED || isCheaper(one, other, knowledge) ? one : other
}

function isCheaper<T extends Candidate>(one: T, other: T, knowledge: Knowledge<T>): boolean {
  const [mine, its] = [knowledge.typicalMs(one), knowledge.typicalMs(other)]
  const isMeasured = mine !== undefined && its !== undefined
  const cost = (each: T, against: T, measuredMs: number | undefined) =>
    (loadOf(each, against) + LOAD_FLOOR) *
    ((isMeasured ? (measuredMs ?? 0) : each.latencyMs) + LATENCY_FLOOR_MS) *
    (knowledge.isWarm(each) ? 1 : COLD_FACTOR)
  return cost(one, other, mine) <= cost(other, one, its)
}

function loadOf(candidate: Candidate, against: Candidate): number {
  return candidate.inFlight / Math.max(1, Math.min(candidate.capacity, against.capacity * CAPACITY_FACTOR_MAX))
}

function twoOf<T>(candidates: readonly T[], random: Random): [T, T | undefined] {
  const first = Math.floor(random() * candidates.length)
  if (candidates.length === 1) return [candidates[first] as T, undefined]
  const second = (first + 1 + Math.floor(random() * (candidates.length - 1))) % candidates.length
  return [candidates[first] as T, candidates[second]]
}
