import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BUGS } from './bugs.ts'
import { arrangeCrypto, type Report, simulate } from './index.ts'
import { replaced } from './plant.ts'

/** About a tenth of a second each where the processor is free; the long run is `npm run simulate`. */
const SEEDS = Number(process.env['OSIRIS_SEEDS'] ?? 200)
/** Each found something once: a receipt for an artifact that was not here, a rejection nobody heard when the disk failed, a host that wrote on with a root key it had not heard the end of, two hosts that each had the other's word for it, feeds left alone for want of a rotation that came later. */
const REMEMBERED = [125, 130, 182, 215, 416]

let restore = () => {}
beforeAll(() => {
  restore = arrangeCrypto()
})
afterAll(() => restore())

function told({ seed, violation, last }: Report): string {
  return violation === undefined
    ? ''
    : `npm run simulate -- --seed ${seed} --trace\n${violation.rule}: ${violation.text}\n${last.join('\n')}`
}

describe('the production code under the simulator', () => {
  test('seeds that found something find nothing any more', { timeout: 60_000 }, async () => {
    for (const seed of REMEMBERED) expect(told(await simulate(seed))).toBe('')
  })
  test(`${SEEDS} seeds keep every promise`, { timeout: 600_000 }, async () => {
    const sums: Partial<Report['counts']> = {}
    for (let seed = 1; seed <= SEEDS; seed++) {
      const report = await simulate(seed)
      expect(told(report)).toBe('')
      for (const [what, count] of Object.entries(report.counts) as [keyof Report['counts'], number][])
        sums[what] = (sums[what] ?? 0) + count
    }
    // Runs in which nothing is written, refused, called or lent would keep every promise, too.
    expect(Object.entries(sums).filter(([, sum]) => sum === 0)).toEqual([])
  })
  test('the same seed is the same run, to the last step', { timeout: 60_000 }, async () => {
    for (const seed of [5, 12, 33]) {
      const first = await simulate(seed)
      expect((await simulate(seed)).hash).toBe(first.hash)
    }
  })
  test('different seeds are different runs', { timeout: 60_000 }, async () => {
    const hashes = new Set<string>()
    for (let seed = 1; seed <= 5; seed++) hashes.add((await simulate(seed)).hash)
    expect(hashes.size).toBe(5)
  })
})

describe('planted bugs', () => {
  test.each(BUGS.map((bug) => [bug.name, bug] as const))('"%s" still has its place in the code', (_, bug) => {
    expect(replaced(bug)).toContain(bug.put)
  })
  test('there are at least twenty, each with a name of its own', () => {
    expect(new Set(BUGS.map((bug) => bug.name)).size).toBe(BUGS.length)
    expect(BUGS.length).toBeGreaterThanOrEqual(20)
  })
})
