import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sequence } from '#protocols/network'
import { Turns } from './turns.ts'

test('everybody has a turn before anybody has another, whatever chance says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer(), (count, seed) => {
      const here = Array.from({ length: count }, (_, at) => at)
      const turns = new Turns<number>(sequence(seed))
      for (let round = 0; round < 3; round++)
        expect(here.map(() => turns.next(here)).toSorted((a, b) => Number(a) - Number(b))).toEqual(here)
    }),
  )
})

test('whoever leaves is passed over, whoever comes is among the next, and of nobody there is nobody', () => {
  const turns = new Turns<string>(sequence(1))
  expect(turns.next([])).toBeUndefined()
  const first = turns.next(['a', 'b'])
  expect([turns.next(['a', 'b', 'c']), turns.next(['a', 'b', 'c'])]).toContain('c')
  expect(turns.next(['b'])).toBe('b')
  expect(['a', 'b']).toContain(first)
})
