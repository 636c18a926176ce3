/**
 * Whether a new version does worse than the old ones beside it. Pure. The rule:
 *
 * - *Errors*: Fisher's exact test, one-sided: given how many of all calls failed, how likely is it that so many of them fell on the new version, if versions
 *   made no difference. And its error rate must be 1.2 times theirs, so that no difference is too small to matter and still significant.
 * - *Latency*: the same test for the slowest of all calls, as many as a hundredth of the new version's (five at least), and for the slower half: do more of
 *   them fall on the new version than chance explains, each call of the new version counted one bucket faster than it was (16 to 19 %). The first says that its
 *   99th percentile is worse, the second shows sooner that everything got slower. Nothing below a millisecond is slow. Only calls that succeeded: what fails
 *   fast is not quick.
 * - *Looking again and again*: a canary is looked at when its calls have grown by a fifth since the last look, at ten calls first. The i-th look of a step may
 *   raise a false alarm with probability α·6/(π²·i²), which over any number of looks adds up to α; α is ALPHA divided by the tests of all steps. So a version
 *   like the old one is turned back with probability ALPHA at most, whatever the traffic (the tests are exact, the sum is a union bound).
 */

/** Of one version, or of several together, since the step began. */
export interface Counts {
  calls: number
  /** Calls that failed by the version's own fault. */
  errors: number
  /** Of those that did not, how many ran how long: `bucketOf`. */
  times: readonly number[]
}

export type Verdict = { worse: false } | { worse: true; why: string }

/** The chance that a version just as good is turned back, in a whole promotion. */
export const ALPHA = 0.01
/** Below this nothing is judged. */
export const CALLS_MIN = 10
const GROWTH = 1.2
const ERROR_RATIO = 1.2
/** Of the new version's calls: how many of the slowest are looked at. */
const TAIL = 0.01
const TAIL_CALLS_MIN = 5
/** Errors, the slowest calls, the slower half. */
const TESTS = 3
export const BUCKETS = 64
/** Buckets per doubling. */
const FINENESS = 4

/** Of milliseconds: 0 up to 1 ms, then four for each doubling. */
export function bucketOf(ms: number): number {
  return ms <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(FINENESS * Math.log2(ms)))
}

/** The longest time in the bucket, milliseconds. */
function edgeOf(bucket: number): number {
  return 2 ** (bucket / FINENESS)
}

/** Which look at a step a canary of so many calls is due; 0: none yet. The same at whoever looks. */
export function lookAt(calls: number): number {
  return calls < CALLS_MIN ? 0 : 1 + Math.floor(Math.log(calls / CALLS_MIN) / Math.log(GROWTH) + 1e-9)
}

/** `look` as `lookAt` says; `steps`: how many are judged. */
export function judge(canary: Counts, base: Counts, look: number, steps: number): Verdict {
  if (look < 1 || base.calls < CALLS_MIN) return { worse: false }
  const alpha = ((ALPHA / (TESTS * steps)) * 6) / (Math.PI ** 2 * look ** 2)
  const own = above(canary.times, 0)
  const slowest = Math.max(TAIL_CALLS_MIN, own * TAIL)
  const half = (own + above(base.times, 0)) / 2
  return (
    judgeErrors(canary, base, alpha) ??
    judgeTimes(canary, base, slowest, alpha) ??
    judgeTimes(canary, base, half, alpha) ?? { worse: false }
  )
}

function judgeErrors(canary: Counts, base: Counts, alpha: number): Verdict | undefined {
  if (canary.errors * base.calls <= ERROR_RATIO * base.errors * canary.calls) return undefined
  const p = upperTail(canary.errors, canary.calls, canary.errors + base.errors, canary.calls + base.calls)
  if (p > alpha) return undefined
  const rates = `${shown(canary.errors, canary.calls)} of its calls failed, ${shown(base.errors, base.calls)} of the others'`
  return { worse: true, why: `${rates} (${canary.errors} of ${canary.calls}, ${base.errors} of ${base.calls}; p = ${p.toExponential(1)})` }
}

function judgeTimes(canary: Counts, base: Counts, atLeast: number, alpha: number): Verdict | undefined {
  const own = oneFaster(canary.times)
  const from = tailOf(
    own.map((count, bucket) => count + (base.times[bucket] ?? 0)),
    atLeast,
  )
  if (from === 0) return undefined
  const [slow, slowBase] = [above(own, from), above(base.times, from)]
  const [all, allBase] = [above(own, 0), above(base.times, 0)]
  const p = upperTail(slow, all, slow + slowBase, all + allBase)
  if (p > alpha) return undefined
  const limit = `${round(edgeOf(from - 1))} ms`
  const shares = `${shown(slow, all)} of its calls took longer than ${round(edgeOf(from))} ms, ${shown(slowBase, allBase)} of the others' longer than ${limit}`
  return { worse: true, why: `${shares} (${slow} of ${all}, ${slowBase} of ${allBase}; p = ${p.toExponential(1)})` }
}

/** The slowest bucket that has at least so many calls in it and beyond: those are the slow ones. */
function tailOf(times: readonly number[], atLeast: number): number {
  let count = 0
  for (let bucket = times.length - 1; bucket > 0; bucket--) {
    count += times[bucket] ?? 0
    if (count >= atLeast) return bucket
  }
  return 0
}

function oneFaster(times: readonly number[]): number[] {
  const [first = 0, second = 0, ...rest] = times
  return [first + second, ...rest, 0]
}

function above(times: readonly number[], from: number): number {
  let sum = 0
  for (let bucket = from; bucket < times.length; bucket++) sum += times[bucket] ?? 0
  return sum
}

/**
 * Hypergeometric: of `all` calls `marked` are marked; how likely is it that of `drawn` of them `hits` or more are. Exact but for rounding. Counts are other
 * nodes' word, so its cost must not follow them: it sums from `hits` away from the mean, where terms only fall, and ends where they matter no more.
 */
export function upperTail(hits: number, drawn: number, marked: number, all: number): number {
  const most = Math.min(drawn, marked)
  const least = Math.max(0, drawn + marked - all)
  if (hits <= least) return 1
  if (hits > most) return 0
  const draw = { drawn, marked, all }
  if (hits * all > drawn * marked) return Math.min(1, sumOf(draw, hits, most))
  return Math.max(0, 1 - sumOf(draw, hits - 1, least))
}

/** Of the probabilities of `first` hits, and on to `last`, on whichever side that is. Each is the one beside it times what they differ by. */
function sumOf({ drawn, marked, all }: { drawn: number; marked: number; all: number }, first: number, last: number): number {
  const step = first <= last ? 1 : -1
  let term = Math.exp(lnChoose(marked, first) + lnChoose(all - marked, drawn - first) - lnChoose(all, drawn))
  let sum = term
  for (let hits = first; hits !== last && term > sum * 1e-12; hits += step) {
    const less = Math.min(hits, hits + step)
    const ratio = ((drawn - less) * (marked - less)) / ((less + 1) * (all - marked - drawn + less + 1))
    term = step === 1 ? term * ratio : term / ratio
    sum += term
  }
  return sum
}

function lnChoose(n: number, k: number): number {
  return lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k)
}

/** Stirling's series (DLMF 5.11.1) above what is summed: an error below 1e-10. */
function lnFactorial(n: number): number {
  if (n < SMALL.length) return SMALL[n] as number
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * n) - 1 / (360 * n ** 3)
}
const SMALL = Array.from({ length: 64 }, (_, n) =>
  Array.from({ length: n }, (__, k) => Math.log(k + 1)).reduce((sum, each) => sum + each, 0),
)

function shown(count: number, of: number): string {
  return `${round((100 * count) / Math.max(1, of))} %`
}

function round(value: number): number {
  return value < 10 ? Math.round(value * 10) / 10 : Math.round(value)
}
