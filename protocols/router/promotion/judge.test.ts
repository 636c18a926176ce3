import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ALPHA, bucketOf, BUCKETS, CALLS_MIN, type Counts, judge, lookAt, upperTail } from './judge.ts'

/** A generator of random numbers that is the same each time (mulberry32). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Kind {
  errorRate: number
  /** Milliseconds of one call. */
  ms: (random: () => number) => number
}
/** About 5 ms, one in fifty ten times as much: what a function looks like that calls a database. */
const usual = (random: () => number) => (random() < 0.02 ? 50 : 5) * (0.7 + 0.6 * random())

const empty = (): Counts & { times: number[] } => ({ calls: 0, errors: 0, times: Array.from({ length: BUCKETS }, () => 0) })

/** Calls of the canary until it was turned back; undefined: it came through. Judged as the promoter does, each time a look is due. */
function promote(canary: Kind, base: Kind, share: number, calls: number, seed: number): number | undefined {
  const random = dice(seed)
  const counts = { canary: empty(), base: empty() }
  let looked = 0
  for (let each = 0; each < calls; each++) {
    const isCanary = random() < share
    const [kind, sheet] = isCanary ? [canary, counts.canary] : [base, counts.base]
    sheet.calls++
    if (random() < kind.errorRate) sheet.errors++
    else {
      const bucket = bucketOf(kind.ms(random))
      sheet.times[bucket] = (sheet.times[bucket] ?? 0) + 1
    }
    const look = lookAt(counts.canary.calls)
    if (look === looked) continue
    looked = look
    if (judge(counts.canary, counts.base, look, 1).worse) return counts.canary.calls
  }
  return undefined
}

const runs = (count: number, run: (seed: number) => number | undefined) => Array.from({ length: count }, (_, seed) => run(seed + 1))

describe('upperTail()', () => {
  /** By counting all ways to draw. */
  const counted = (hits: number, drawn: number, marked: number, all: number) => {
    const choose = (n: number, k: number): number => (k < 0 || k > n ? 0 : k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k)
    let ways = 0
    for (let each = hits; each <= Math.min(drawn, marked); each++) ways += choose(marked, each) * choose(all - marked, drawn - each)
    return ways / choose(all, drawn)
  }
  it('is what counting all ways gives', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(40), fc.nat(40), fc.nat(40), (all, drawn, marked, hits) => {
        const [d, m] = [Math.min(drawn, all), Math.min(marked, all)]
        expect(upperTail(hits, d, m, all)).toBeCloseTo(Math.min(1, counted(hits, d, m, all)), 9)
      }),
    )
  })
  it('stays a probability among millions', () => {
    expect(upperTail(50_000, 1_000_000, 500_000, 10_000_000)).toBeCloseTo(0.5, 1)
    expect(upperTail(60_000, 1_000_000, 500_000, 10_000_000)).toBeLessThan(1e-12)
  })
  it('costs no more for as many calls as anybody may tell of, on whichever side of the mean', () => {
    const many = 2 ** 40
    expect(upperTail(2, many, many, 3 * many)).toBe(1)
    expect(upperTail(many / 2, many, many, 3 * many)).toBe(0)
    expect(upperTail(Math.floor(many / 3), many, many, 3 * many)).toSatisfy((p: number) => p > 0.4 && p < 0.6)
  })
})

describe('a version just as good', () => {
  it.each([
    ['that never fails', 0, 0.1],
    ['that fails once in a hundred', 0.01, 0.1],
    ['that fails half the time', 0.5, 0.25],
    ['with half of the calls', 0.05, 0.5],
  ])('%s is turned back no more often than the rule says', (_, errorRate, share) => {
    const kind = { errorRate, ms: usual }
    const alarms = runs(400, (seed) => promote(kind, kind, share, 4000, seed)).filter((each) => each !== undefined)
    // 400 runs at 1 % are 4 on average; more than 12 would be one chance in a thousand, were the bound met exactly.
    expect(alarms.length / 400).toBeLessThanOrEqual(3 * ALPHA)
  })
  it('and a little quicker or slower than a bucket tells is as good', () => {
    const slower = { errorRate: 0, ms: (random: () => number) => 1.1 * usual(random) }
    const alarms = runs(100, (seed) => promote(slower, { errorRate: 0, ms: usual }, 0.1, 20_000, seed))
    expect(alarms.filter((each) => each !== undefined).length).toBeLessThanOrEqual(3)
  })
})

describe('a version that is worse is turned back', () => {
  const base = { errorRate: 0.02, ms: usual }
  const within = (canary: Kind, calls: number, share = 0.1) => {
    const seen = runs(100, (seed) => promote(canary, base, share, calls / share, seed))
    return seen.filter((each) => each !== undefined && each <= calls).length
  }
  it('at five times the errors, within 400 of its calls', () => {
    expect(within({ ...base, errorRate: 0.1 }, 400)).toBeGreaterThanOrEqual(95)
  })
  it('when every call fails, within 30', () => {
    expect(within({ ...base, errorRate: 1 }, 30)).toBe(100)
  })
  it('when every call takes three times as long, within 50', () => {
    expect(within({ ...base, ms: (random) => 3 * usual(random) }, 50)).toBeGreaterThanOrEqual(95)
  })
  it('when its slowest calls take four times as long, within 1,000: its 99th percentile, and nothing below', () => {
    const ms = (random: () => number) => (random() < 0.02 ? 200 : 5) * (0.7 + 0.6 * random())
    expect(within({ ...base, ms }, 1000)).toBeGreaterThanOrEqual(95)
  })
  it('and the sentence says by what', () => {
    const counts = (calls: number, errors: number): Counts => ({ ...empty(), calls, errors })
    expect(judge(counts(100, 40), counts(900, 9), 5, 3)).toEqual({
      worse: true,
      why: expect.stringMatching(/^40 % of its calls failed, 1 % of the others' \(40 of 100, 9 of 900; p = .*\)$/),
    })
  })
})

it('a version that is much quicker than millions of calls beside it is judged at once', () => {
  const at = (ms: number, calls: number): Counts => ({ calls, errors: 0, times: empty().times.with(bucketOf(ms), calls) })
  const mixed = { calls: 2e9, errors: 0, times: at(9, 1e9).times.with(bucketOf(99), 1e9) }
  const quick = { calls: 1e9, errors: 0, times: at(9, 1e9 - 1).times.with(bucketOf(999), 1) }
  expect(judge(quick, mixed, 60, 3)).toEqual({ worse: false })
})

describe('nothing is judged', () => {
  it('before there are ten calls on both sides, nor when nobody looks', () => {
    const all = (calls: number): Counts => ({ ...empty(), calls, errors: calls })
    expect(lookAt(CALLS_MIN - 1)).toBe(0)
    expect(judge(all(100), { ...empty(), calls: CALLS_MIN - 1 }, 1, 1).worse).toBe(false)
    expect(judge(all(100), { ...empty(), calls: 1000 }, 0, 1).worse).toBe(false)
  })
  it('below a millisecond', () => {
    const at = (ms: number, calls: number): Counts => ({ calls, errors: 0, times: empty().times.with(bucketOf(ms), calls) })
    expect(judge(at(0.9, 1000), at(0.01, 9000), 3, 1).worse).toBe(false)
    expect(judge(at(9, 1000), at(0.01, 9000), 3, 1).worse).toBe(true)
  })
})

it('looks come each time the calls have grown by a fifth, and are numbered the same by whoever looks', () => {
  fc.assert(
    fc.property(fc.integer({ min: CALLS_MIN, max: 1_000_000 }), (calls) => {
      expect(lookAt(Math.ceil(calls * 1.2))).toBeGreaterThan(lookAt(calls))
      expect(lookAt(calls + 1) - lookAt(calls)).toBeLessThanOrEqual(1)
    }),
  )
  const sum = Array.from({ length: 10_000 }, (_, at) => 6 / (Math.PI ** 2 * (at + 1) ** 2)).reduce((total, each) => total + each, 0)
  expect(sum).toBeLessThan(1)
})
