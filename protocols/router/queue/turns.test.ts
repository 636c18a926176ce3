import { expect, it } from 'vitest'
import type { Stored } from './record.ts'
import { inTurn } from './turns.ts'

const stored = (id: string, state: string) => ({ head: { id, state }, claim: null }) as Stored

it('what is not over is compared before all that is, each of them first now and then', () => {
  const held = [stored('a', 'done'), stored('b', 'cancelled'), stored('c', 'waiting'), stored('d', 'done'), stored('e', 'dead')]
  const order = (random: number) => inTurn(held, () => random).map(({ head }) => head.id)
  expect([order(0), order(0.4), order(0.99)]).toEqual([
    ['c', 'e', 'a', 'b', 'd'],
    ['c', 'e', 'b', 'd', 'a'],
    ['e', 'c', 'd', 'a', 'b'],
  ])
})
