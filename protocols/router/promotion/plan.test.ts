import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Canary, canaryOf, stepsFrom } from '#protocols/canary'
import type { AliasTargets } from '#protocols/catalog'
import { CALLS_MIN } from './judge.ts'
import { nextOf, type Seen, targetsAt } from './plan.ts'

const [OLD, NEW, OTHER] = ['a', 'b', 'c'].map((each) => each.repeat(64)) as [string, string, string]
const canary = (parts: Partial<Canary> = {}): Canary => ({
  ...{
    id: '0'.repeat(32),
    alias: 'live',
    version: NEW,
    base: [{ version: OLD, weight: 100 }],
    steps: stepsFrom(10),
    step: 0,
    watchMs: 1000,
  },
  ...{ startedAt: 0, since: 0, state: 'running', settled: false, why: '', by: 'ada' },
  ...parts,
})
const fine = { worse: false } as const
const seen = (parts: Partial<Seen> = {}): Seen => ({ targets: targetsAt(canary(), 0), verdict: fine, calls: 100, nowMs: 500, ...parts })

describe('nextOf()', () => {
  it('gives it its first share, if whoever started it could not', () => {
    expect(nextOf(canary(), seen({ targets: canary().base }))).toEqual({ kind: 'point', targets: targetsAt(canary(), 0) })
  })
  it('waits while a step is watched, and goes on when it was long enough', () => {
    expect(nextOf(canary(), seen())).toEqual({ kind: 'wait' })
    expect(nextOf(canary(), seen({ nowMs: 1000 }))).toEqual({ kind: 'write', canary: canary({ step: 1, since: 1000 }) })
  })
  it('turns back at once when it is worse, and says why', () => {
    const action = nextOf(canary(), seen({ verdict: { worse: true, why: 'it fails' } }))
    expect(action).toMatchObject({ kind: 'write', canary: { state: 'turned back', why: 'it fails', settled: false } })
  })
  it('leaves an alias alone that somebody else changed', () => {
    const elsewhere = [{ version: OTHER, weight: 100 }]
    expect(nextOf(canary(), seen({ targets: elsewhere }))).toMatchObject({ kind: 'write', canary: { state: 'aborted' } })
    expect(nextOf(canary({ state: 'turned back' }), seen({ targets: elsewhere }))).toMatchObject({
      kind: 'write',
      canary: { settled: true },
    })
    expect(nextOf(canary(), seen({ targets: undefined }))).toMatchObject({ canary: { state: 'aborted' } })
  })
  it('waits for calls, and gives up where none come', () => {
    expect(nextOf(canary(), seen({ calls: CALLS_MIN - 1, nowMs: 9999 }))).toEqual({ kind: 'wait' })
    expect(nextOf(canary(), seen({ calls: CALLS_MIN - 1, nowMs: 10_000 }))).toMatchObject({ canary: { state: 'turned back' } })
  })

  /** Does what is due until nothing is; `dies` at which actions the owner is gone after the ledger has them, or before. */
  const run = (worseAt: number, lost: ReadonlySet<number>) => {
    let now = 0
    let at = canary()
    let targets: AliasTargets = at.base
    const shares: number[] = []
    for (let each = 0; each < 100; each++, now += 400) {
      const verdict = at.state === 'running' && at.step >= worseAt ? { worse: true as const, why: 'it fails' } : fine
      const action = nextOf(at, { targets, verdict, calls: 50, nowMs: now })
      if (lost.has(each)) continue
      if (action.kind === 'point') targets = action.targets
      if (action.kind === 'write') at = action.canary
      shares.push(targets.find((target) => target.version === NEW)?.weight ?? 0)
    }
    return { at, targets, shares }
  }
  it('ends at all or at what was before, whatever the owners that die in between leave undone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.uniqueArray(fc.nat(60), { maxLength: 30 }), (worseAt, lost) => {
        const { at, targets, shares } = run(worseAt, new Set(lost))
        expect(at).toMatchObject({ settled: true, state: worseAt < 3 ? 'turned back' : 'done' })
        expect(targets).toEqual(worseAt < 3 ? canary().base : [{ version: NEW, weight: 100 }])
        const steps = shares.filter((each, index) => each !== shares[index - 1])
        const rising = [0, 10, 25, 50, 100]
        expect(worseAt < 3 ? steps.slice(0, -1) : steps).toEqual(
          rising.slice(rising.indexOf(steps[0] ?? 0)).slice(0, worseAt < 3 ? steps.length - 1 : steps.length),
        )
      }),
    )
  })
})

it('what the ledger says of a canary is read back, and anything else is none', () => {
  expect(canaryOf(JSON.stringify(canary()))).toEqual(canary())
  for (const wrong of ['', '{}', JSON.stringify({ ...canary(), step: 9 }), JSON.stringify({ ...canary(), steps: [] })])
    expect(canaryOf(wrong)).toBeUndefined()
  expect([10, 30, 99].map(stepsFrom)).toEqual([
    [10, 25, 50, 100],
    [30, 50, 100],
    [99, 100],
  ])
})
