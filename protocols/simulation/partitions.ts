/** The shapes in which a network falls apart, as pairs of which the second no longer hears the first. Pure. */
import type { Dice } from './dice.ts'

export type Pair = readonly [from: string, to: string]
export const SHAPES = ['split', 'deaf', 'isolate', 'mute', 'bridge', 'ring', 'line'] as const
export type Shape = (typeof SHAPES)[number]

/** Which pairs a shape cuts, with the parts dealt by the dice. */
export function pairsOf(shape: Shape, names: readonly string[], dice: Dice): Pair[] {
  const order = dice.shuffled(names)
  const middle = 1 + dice.int(Math.max(1, order.length - 1))
  const [left, right] = [order.slice(0, middle), order.slice(middle)]
  switch (shape) {
    case 'split':
      return bothWays(between(left, right))
    case 'deaf':
      return between(left, right)
    case 'isolate':
      return bothWays(between(order.slice(0, 1), order.slice(1)))
    case 'mute':
      return between(order.slice(0, 1), order.slice(1))
    case 'bridge':
      return bothWays(between(left, right.slice(1)))
    case 'ring':
      return apart(order, (a, b) => {
        const steps = Math.abs(a - b)
        return Math.min(steps, order.length - steps) > 1
      })
    case 'line':
      return apart(order, (a, b) => Math.abs(a - b) > 1)
  }
}

function between(left: readonly string[], right: readonly string[]): Pair[] {
  return left.flatMap((from) => right.map((to) => [from, to] as const))
}

function bothWays(pairs: readonly Pair[]): Pair[] {
  return pairs.flatMap(([from, to]) => [[from, to] as const, [to, from] as const])
}

function apart(order: readonly string[], cut: (a: number, b: number) => boolean): Pair[] {
  return order.flatMap((from, a) => order.flatMap((to, b) => (a !== b && cut(a, b) ? [[from, to] as const] : [])))
}
