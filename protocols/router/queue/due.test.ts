import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Due } from './due.ts'

const all = () => true
const IDS = ['a', 'b', 'c', 'd', 'e', 'f']
const step = fc.oneof(
  fc.record({ act: fc.constant('put' as const), id: fc.constantFrom(...IDS), namespace: fc.constantFrom('x', 'y', 'z'), at: fc.nat(20) }),
  fc.record({ act: fc.constant('remove' as const), id: fc.constantFrom(...IDS) }),
  fc.record({ act: fc.constant('take' as const), now: fc.nat(20) }),
)

it('gives out what is due and nothing else, of each namespace the earliest, and knows when the next one is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const due = new Due()
      const wrong: string[] = []
      const model = new Map<string, { namespace: string; at: number }>()
      for (const each of steps) {
        if (each.act === 'put') {
          due.put(each.id, 'work', each.namespace, each.at)
          model.set(each.id, { namespace: each.namespace, at: each.at })
        } else if (each.act === 'remove') {
          due.remove(each.id)
          model.delete(each.id)
        } else {
          const ready = [...model].filter(([, { at }]) => at <= each.now)
          const taken = due.take('work', each.now, all)
          if ((taken === undefined) !== (ready.length === 0)) wrong.push(`took ${taken} of ${ready.length}`)
          if (taken === undefined) continue
          const { namespace, at } = model.get(taken) ?? { namespace: '', at: Number.NaN }
          if (ready.some(([, other]) => other.namespace === namespace && other.at < at)) wrong.push(`took ${taken}, which is not the first`)
          model.delete(taken)
        }
        const times = [...model.values()].map(({ at }) => at)
        expect(due.nextAt('work', all)).toBe(times.length === 0 ? undefined : Math.min(...times))
        expect(IDS.filter((id) => due.has(id))).toEqual(IDS.filter((id) => model.has(id)))
      }
      expect(wrong).toEqual([])
    }),
  )
})

it('lets namespaces take turns, however many items one of them has', () => {
  const due = new Due()
  for (let index = 0; index < 100; index += 1) due.put(`x${index}`, 'work', 'x', 0)
  due.put('y0', 'work', 'y', 5)
  due.put('y1', 'work', 'y', 5)
  due.put('other', 'else', 'y', 0)
  const order = [1, 2, 3, 4, 5].map(() => due.take('work', 10, all))
  expect(order).toEqual(['x0', 'y0', 'x1', 'y1', 'x2'])
})
