import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isBehind } from './rank.ts'
import { Average } from './shares.ts'

const cores = fc.double({ min: 0, max: 64, noNaN: true })
const rank = fc.record({ wasBehind: fc.boolean(), fast: cores, slow: cores, isAlone: fc.boolean(), isShort: fc.boolean() })

test('whoever is alone is never behind', () => {
  fc.assert(fc.property(rank, (each) => !isBehind({ ...each, isAlone: true })))
})
test('more use never brings a namespace to the front, and having been behind neither', () => {
  fc.assert(
    fc.property(rank, cores, cores, (each, more, muchMore) => {
      const worse = { ...each, wasBehind: true, fast: each.fast + more, slow: each.slow + muchMore }
      return !isBehind(each) || isBehind(worse)
    }),
  )
})

/** Rounds of 100 ms in which `coresAt` says what was used; seconds at which the rank changed. */
function changes(coresAt: (second: number) => number, seconds: number, isShort = false): number[] {
  const [fast, slow] = [new Average(1000), new Average(10_000)]
  const found: number[] = []
  let wasBehind = false
  for (let now = 100; now <= seconds * 1000; now += 100) {
    for (const each of [fast, slow]) each.add(100 * coresAt(now / 1000), now)
    const is = isBehind({ wasBehind, fast: fast.at(now), slow: slow.at(now), isAlone: false, isShort })
    if (is !== wasBehind) found.push(now / 1000)
    wasBehind = is
  }
  return found
}

test('a loop is behind within a third of a second, and back half a minute after it', () => {
  const [from = 0, until = 0, ...more] = changes((second) => (second < 10 ? 1 : 0), 60)
  expect([from, more]).toEqual([0.3, []])
  expect(until).toBeGreaterThan(20)
  expect(until).toBeLessThan(45)
})
test('who loops for three seconds in every six stays behind', () => {
  expect(changes((second) => (second % 6 < 3 ? 1 : 0), 60)).toHaveLength(1)
})
test('while processors are short, many that compute are seen although each gets little', () => {
  expect(changes(() => 0.13, 60, true)).toHaveLength(1)
  expect(changes(() => 0.13, 60)).toEqual([])
})
test('one call of 0.2 s, and a steady tenth of a processor, are no reason to wait', () => {
  expect(changes((second) => (second <= 0.2 ? 1 : 0), 60)).toEqual([])
  expect(changes(() => 0.1, 60)).toEqual([])
})
