import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isDeeperThan } from './depth.ts'

/** By recursion, as a reader would. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

test('isDeeperThan() agrees with a walk of the value', () => {
  const json = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 6 }, fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '"', '\\', 'x') }), tie('list'), tie('record')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    record: fc.dictionary(fc.string({ unit: fc.constantFrom('[', '}', '"', '\\', 'k') }), tie('value'), { maxKeys: 4 }),
  })).value
  fc.assert(
    fc.property(json, fc.nat(7), (value, levels) => {
      const text = JSON.stringify(value)
      expect(isDeeperThan(text, levels)).toBe(depthOf(value) > levels)
    }),
  )
})
