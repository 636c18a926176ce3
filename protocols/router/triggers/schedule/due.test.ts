import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCron } from '#protocols/schedule'
import { dueOf, LATE_MS, MISSED_MAX, tickIdOf } from './due.ts'

const MINUTE = 60_000
const START = Date.UTC(2026, 0, 1)
const ticks = parseCron('* * * * *')
const missed = fc.constantFrom('skip' as const, 'last' as const, 'all' as const)

describe('dueOf()', () => {
  test('fires no tick that is done with or that has not come, whatever the policy', () => {
    fc.assert(
      fc.property(
        missed,
        fc.boolean(),
        fc.boolean(),
        fc.nat(20 * MINUTE),
        fc.nat(20 * MINUTE),
        (policy, overlap, isRunning, done, span) => {
          const lastAt = START + done
          const now = lastAt + span
          const due = dueOf({ ticks, settings: { missed: policy, overlap }, lastAt, now, isRunning })
          const tickAt = due.kind === 'fire' || due.kind === 'pass' ? due.tickAt : now
          expect(tickAt).toBeGreaterThan(lastAt - (span === 0 ? 1 : 0))
          expect(tickAt).toBeLessThanOrEqual(now)
          expect(due.kind === 'fire' && isRunning && !overlap).toBe(false)
          expect(due.kind === 'fire' && policy === 'skip' && now - due.tickAt > LATE_MS).toBe(false)
        },
      ),
    )
  })
  test('followed to the end fires what its policy says, each once and in order', () => {
    const follow = (policy: 'skip' | 'last' | 'all', minutes: number) => {
      const fired: number[] = []
      const now = START + minutes * MINUTE + 1000
      for (let lastAt = START; ;) {
        const due = dueOf({ ticks, settings: { missed: policy, overlap: false }, lastAt, now, isRunning: false })
        if (due.kind !== 'fire' && due.kind !== 'pass') return fired
        if (due.kind === 'fire') fired.push((due.tickAt - START) / MINUTE)
        lastAt = due.tickAt
      }
    }
    expect(follow('skip', 5)).toEqual([5])
    expect(follow('last', 5)).toEqual([5])
    expect(follow('all', 5)).toEqual([1, 2, 3, 4, 5])
    const now = START + 500 * MINUTE
    const due = dueOf({ ticks, settings: { missed: 'all', overlap: false }, lastAt: START, now, isRunning: false })
    expect(due).toEqual({ kind: 'fire', tickAt: now - (MISSED_MAX - 1) * MINUTE })
  })
  test('a tick has one name', () => {
    expect(tickIdOf('demo/report', START)).toBe('demo/report@2026-01-01T00:00:00.000Z')
  })
})
