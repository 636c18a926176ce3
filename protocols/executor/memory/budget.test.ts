import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { createEvents } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import { ownOf } from './memory-probe.ts'
import { fits, idleMb, promisedMb, worstMb } from './promise.ts'
import type { ExecutorService } from '../service.ts'

/** Whole pages, as the kernel counts: their sums are exact. */
const megabytes = fc.nat({ max: 2 ** 20 }).map((pages) => pages / 256)
const need = fc.record({ limitMb: fc.integer({ min: 8, max: 2048 }), peakMb: megabytes, isShared: fc.boolean() })

describe('what an instance is promised', () => {
  test('is its limit until a call of it ended, and never more', () => {
    fc.assert(
      fc.property(need, (given) => {
        const promised = promisedMb(given)
        const unseen = promisedMb({ ...given, peakMb: 0, isShared: false })
        return promised <= given.limitMb && unseen === given.limitMb && idleMb(given) <= promised
      }),
    )
  })
  test('is its limit for what came near it, and little for what is small', () => {
    expect(promisedMb({ limitMb: 64, peakMb: 50, isShared: false })).toBe(64)
    expect(promisedMb({ limitMb: 64, peakMb: 20, isShared: false })).toBe(31)
    expect(promisedMb({ limitMb: 64, peakMb: 1.5, isShared: false })).toBe(4)
  })
  test('lets a thousand warm functions wait in 1 GB, and all of them work in 4.5', () => {
    const small = { limitMb: 64, peakMb: 1.5, isShared: true }
    const alone = { ...small, isShared: false }
    expect(30 + 16 * idleMb(alone) + 984 * idleMb(small)).toBeLessThan(1024)
    expect(30 + 16 * promisedMb(alone) + 984 * promisedMb(small)).toBeLessThan(4608)
  })
})

describe('what a worker may come to hold', () => {
  const holding = fc.record({ restingMb: megabytes, residentMb: megabytes, idleMb: megabytes, promisedMb: megabytes })
  test('is at least what it holds and what is promised in it, and no more than both', () => {
    fc.assert(
      fc.property(holding, (given) => {
        const worst = worstMb(given)
        const { restingMb, residentMb, promisedMb: promised } = given
        return worst >= residentMb && worst >= restingMb + promised && worst <= Math.max(restingMb, residentMb) + promised
      }),
    )
  })
  test('grows with each promise, and never by more than that', () => {
    fc.assert(
      fc.property(holding, megabytes, (given, more) => {
        const grown = worstMb({ ...given, promisedMb: given.promisedMb + more }) - worstMb(given)
        return grown >= 0 && grown <= more + 1e-9
      }),
    )
  })
  test('fits only within the budget, but for one who is alone', () => {
    fc.assert(
      fc.property(megabytes, megabytes, megabytes, (budget, worst, more) => !fits(budget, worst, more, false) || worst + more <= budget),
    )
    expect(fits(64, 200, 64, true)).toBe(true)
  })
})

test('ownOf() leaves out what processes have in common', () => {
  expect(ownOf('180000 12000 9000 1 0 2 0')).toBe(3000)
  expect(ownOf('')).toBe(0)
})

describe('many tenants at their limit together', () => {
  const world = new World()
  let executor: ExecutorService | undefined
  afterEach(() => executor?.stop())
  const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : 'value')
  const residentMb = (pid: number) => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  /** Longer than anybody who finds no memory waits. */
  const HOLD_MS = 2500
  /** Holds 45 MB, garbage beside it, until it answers. */
  const HOLD = `export default async (n, ms) => {
    const held = Array.from({ length: 45 }, () => new Array(131072).fill(n))
    await new Promise((done) => setTimeout(done, ms))
    return held.length }`

  test('the excess is overloaded, nobody is killed, and afterwards each of them runs', { timeout: 30_000 }, async () => {
    const budgetMb = 384
    const ended: string[] = []
    const met: string[] = []
    const events = createEvents()
    events.on('worker.ended', ({ reason }) => ended.push(reason))
    events.on('limit.hit', ({ limit }) => met.push(limit))
    const service = (executor = serviceIn(world, { events, limits: { memoryMbMax: budgetMb } }))
    await service.start()
    const records = Array.from({ length: 16 }, (_, n) => world.define(`${HOLD} // ${n}`, { namespace: `tenant-${n}` }))
    let most = 0
    const looking = setInterval(() => {
      most = Math.max(
        most,
        service.status().workers.reduce((sum, { pid }) => sum + residentOrGone(pid), 0),
      )
    }, 20)
    const residentOrGone = (pid: number) => {
      try {
        return residentMb(pid)
      } catch {
        return 0
      }
    }
    const invoke = async (record: FunctionRecord, ms: number) => {
      const startedAt = performance.now()
      const outcome = await service.invoke(callOf(record, [1, ms]))
      return { outcome, ms: performance.now() - startedAt }
    }
    const all = await Promise.all(records.map((record) => invoke(record, HOLD_MS)))
    const refused = all.filter(({ outcome }) => outcome.kind === 'failed')
    const codes = all.map(({ outcome }) => codeOf(outcome))
    expect(codes.filter((code) => code === 'value').length).toBeGreaterThanOrEqual(2)
    expect(refused.length).toBeGreaterThanOrEqual(6)
    for (const { outcome, ms } of refused) {
      expect(outcome).toMatchObject({ error: { code: 'overloaded', details: { limit: 'memory' } }, started: false })
      expect(ms).toBeLessThan(HOLD_MS)
    }
    expect(met.filter((limit) => limit === 'memory')).toHaveLength(refused.length)
    for (const record of records) expect(valueOf((await invoke(record, 0)).outcome)).toBe(45)
    clearInterval(looking)
    // A process that starts is counted as what one usually has.
    expect(most).toBeLessThan(budgetMb * 1.1)
    expect(ended.filter((reason) => !reason.includes('memory was short'))).toEqual([])
  })

  test('small functions called for the first time all at once take turns, and none is refused', { timeout: 20_000 }, async () => {
    const service = (executor = serviceIn(world, { limits: { memoryMbMax: 384 } }))
    await service.start()
    const records = Array.from({ length: 60 }, (_, n) => world.define(`export default () => ${n}`, { namespace: 'small' }))
    const outcomes = await Promise.all(records.map((record) => service.invoke(callOf(record))))
    expect(outcomes.map(codeOf).filter((code) => code !== 'value')).toEqual([])
    const again = await Promise.all(records.map((record) => service.invoke(callOf(record))))
    expect(again.map((outcome) => valueOf(outcome))).toEqual(records.map((_, n) => n))
  })
})
