import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { NextTimes } from './next-times.ts'

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, at: fc.nat(100) }),
  fc.record({ kind: fc.constant('delete' as const), key, at: fc.constant(0) }),
  fc.record({ kind: fc.constant('take' as const), key, at: fc.nat(100) }),
)

test('is a map from keys to times that gives the earliest first', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const times = new NextTimes()
      const model = new Map<string, number>()
      const seen: unknown[] = []
      const expected: unknown[] = []
      for (const { kind, key: name, at } of steps) {
        if (kind === 'set') {
          times.set(name, at)
          model.set(name, at)
        } else if (kind === 'delete') {
          times.delete(name)
          model.delete(name)
        } else {
          const due = [...model].filter((each) => each[1] <= at)
          const taken = times.take(at)
          expected.push(
            due.map((each) => each[1]).toSorted((a, b) => a - b),
            due.map((each) => each[0]).toSorted(),
          )
          seen.push(
            taken.map((each) => model.get(each)),
            taken.toSorted(),
          )
          for (const each of taken) model.delete(each)
        }
        seen.push(times.first())
        expected.push(model.size === 0 ? undefined : Math.min(...model.values()))
      }
      expect(seen).toEqual(expected)
    }),
  )
})
