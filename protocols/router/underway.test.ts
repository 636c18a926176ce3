import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Underway } from './underway.ts'

it('whatever floods it, a namespace that holds less than the others finds room, and there are never too many', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { maxLength: 400 })
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 64 }), steps, (max, all) => {
      const underway = new Underway(max)
      const held = new Map<string, number>()
      const total = () => [...held.values()].reduce((sum, each) => sum + each, 0)
      for (const [namespace, enters] of all) {
        const own = held.get(namespace) ?? 0
        const finds = own < max - total()
        const entered = enters && underway.enter(namespace)
        expect(entered).toBe(enters && finds)
        if (entered) held.set(namespace, own + 1)
        if (enters || own === 0) continue
        underway.leave(namespace)
        held.set(namespace, own - 1)
        expect(total()).toBeLessThanOrEqual(max)
      }
    }),
  )
})

it('one that floods holds half, and the error says how many', () => {
  const underway = new Underway(10)
  while (underway.enter('flood'));
  expect(underway.refusal('flood', 'f').message).toBe(
    'Cannot place "flood/f": this router holds 5 calls of "flood", of 5 in all (at most 10)',
  )
  expect(underway.enter('other')).toBe(true)
  underway.leave('flood')
  expect(underway.enter('flood')).toBe(true)
})
