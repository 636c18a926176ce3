/** Processor time between namespaces, on a clock of the test's own. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowance, type NamespaceUse, Shares } from './shares.ts'

const STEP_MS = 5

/** A tenant: how many calls it would have running if it could, and the processor time of one. */
interface Tenant {
  name: string
  wants: number
  callMs: number
  /** Processors it can make use of at most, e.g. because it waits between calls. */
  coresMax?: number
}

/** Processors shared out equally among running calls, as a host does; calls begin when they are let. Processors used by each, after a time to settle. */
function simulate(tenants: Tenant[], cores: number, options: { seconds?: number; coresMax?: number } = {}): Record<string, number> {
  const shares = new Shares({ hostCores: cores, coresMax: options.coresMax ?? Number.POSITIVE_INFINITY, windowMs: 10_000 })
  const all = tenants.map((tenant) => ({
    ...tenant,
    use: shares.use(tenant.name),
    left: [] as number[],
    usedMs: 0,
    earnedMs: 0,
    refused: 0,
  }))
  const end = (options.seconds ?? 60) * 1000
  const settledAt = end / 3
  for (let now = 1; now < end; now += STEP_MS) {
    for (const each of all) {
      each.earnedMs = Math.min(each.earnedMs + (each.coresMax ?? cores) * STEP_MS, 10 * STEP_MS)
      admit(each, now, shares)
    }
    const usedMs = run(all, cores, now, settledAt, shares)
    shares.round(now, cores - usedMs / STEP_MS)
  }
  return Object.fromEntries(all.map((each) => [each.name, each.usedMs / (end - settledAt)]))
}

function admit(each: Tenant & { use: NamespaceUse; left: number[]; earnedMs: number }, now: number, shares: Shares): void {
  while (each.left.length < each.wants) {
    if (each.coresMax !== undefined && each.earnedMs < each.callMs / 2) return
    each.use.askedAt = now
    if (each.use.running >= each.use.runningMax) shares.judge(each.use, now)
    if (each.use.running >= each.use.runningMax) return
    each.left.push(each.callMs)
    each.use.running++
  }
}

function run(
  all: (Tenant & { use: NamespaceUse; left: number[]; usedMs: number; earnedMs: number })[],
  cores: number,
  now: number,
  settledAt: number,
  shares: Shares,
): number {
  const calls = all.reduce((sum, each) => sum + each.left.length, 0)
  const perCall = calls === 0 ? 0 : Math.min(STEP_MS, (cores * STEP_MS) / calls)
  let total = 0
  for (const each of all) {
    let used = 0
    each.left = each.left.flatMap((left) => {
      used += Math.min(left, perCall)
      return left > perCall ? [left - perCall] : []
    })
    each.use.ended += each.use.running - each.left.length
    each.use.running = each.left.length
    each.earnedMs -= used
    if (now >= settledAt) each.usedMs += used
    shares.charge(each.name, used, now)
    total += used
  }
  return total
}

describe('shares of processor time', () => {
  test('ten thousand small calls of one tenant leave a hungry neighbour its share, within a tenth', () => {
    const { flood, other } = simulate(
      [
        { name: 'flood', wants: 100, callMs: 90 },
        { name: 'other', wants: 4, callMs: 90 },
      ],
      2,
    ) as { flood: number; other: number }
    expect(flood).toBeLessThan(1.1)
    expect(other).toBeGreaterThan(0.9)
  })
  test('several floods share equally', () => {
    const used = simulate(
      Array.from({ length: 4 }, (_, n) => ({ name: `n${n}`, wants: 10 + 30 * n, callMs: 50 })),
      4,
    )
    for (const cores of Object.values(used)) {
      expect(cores).toBeGreaterThan(0.85)
      expect(cores).toBeLessThan(1.15)
    }
  })
  test('what a modest neighbour leaves goes to the flood, and the neighbour is not held up', () => {
    const { flood, modest } = simulate(
      [
        { name: 'flood', wants: 100, callMs: 20 },
        { name: 'modest', wants: 1, callMs: 10, coresMax: 0.2 },
      ],
      2,
    ) as { flood: number; modest: number }
    expect(modest).toBeGreaterThan(0.15)
    expect(flood).toBeGreaterThan(1.5)
  })
  test('alone, a tenant has the whole node', () => {
    expect(simulate([{ name: 'only', wants: 100, callMs: 90 }], 4)['only']).toBeGreaterThan(3.9)
  })
  test('the operator’s bound holds for whoever is alone, too', () => {
    const { only } = simulate([{ name: 'only', wants: 100, callMs: 10 }], 4, { coresMax: 1.5, seconds: 90 }) as { only: number }
    expect(only).toBeGreaterThan(1.35)
    expect(only).toBeLessThan(1.65)
  })
})

test('a host that is busy with other things is no reason to throttle who computes little', () => {
  const shares = new Shares({ hostCores: 2, coresMax: Number.POSITIVE_INFINITY, windowMs: 10_000 })
  const uses = ['a', 'b'].map((name) => shares.use(name))
  for (let now = 1; now < 20_000; now += 100) {
    for (const use of uses) {
      use.askedAt = now
      use.ended++
      shares.charge(use.namespace, 5, now)
    }
    shares.round(now, 0)
  }
  expect(uses.map((use) => use.runningMax)).toEqual([Infinity, Infinity])
})

const cores = fc.double({ min: 0.5, max: 64, noNaN: true })
const situation = fc.record({
  cores,
  isShort: fc.boolean(),
  active: fc.integer({ min: 1, max: 50 }),
  used: fc.double({ min: 0, max: 64, noNaN: true }),
  usedByOthers: fc.double({ min: 0, max: 64, noNaN: true }),
  callMs: fc.double({ min: 0, max: 10_000, noNaN: true }),
  windowMs: fc.constant(10_000),
  coresMax: fc.constant(Number.POSITIVE_INFINITY),
})

test('allowance() never holds back who is alone, or on a node with processors to spare', () => {
  fc.assert(
    fc.property(situation, (each) => {
      const isFree = !each.isShort || each.active === 1
      return isFree === (allowance(each).runningMax === Number.POSITIVE_INFINITY)
    }),
  )
})

test('allowance() lets whoever is below its share run at least one call, and whoever is above no more than the others leave', () => {
  fc.assert(
    fc.property(situation, (each) => {
      const { runningMax } = allowance(each)
      return each.used < each.cores / each.active ? runningMax >= 1 : runningMax === Infinity || runningMax <= Math.round(each.cores)
    }),
  )
})

test('allowance() always lets some namespace on: shares add up to what there is', () => {
  fc.assert(
    fc.property(cores, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), (all, parts) => {
      const sum = parts.reduce((a, b) => a + b, 0) || 1
      const used = parts.map((part) => (part / sum) * all * 0.999)
      const free = used.filter(
        (each) =>
          allowance({
            cores: all,
            isShort: true,
            active: used.length,
            used: each,
            usedByOthers: all,
            callMs: 1000,
            windowMs: 10_000,
            coresMax: Infinity,
          }).runningMax > 0,
      )
      return free.length > 0
    }),
  )
})
