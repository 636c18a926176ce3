/** Which directions of which links are cut in which kind of partition. Pure; nodes are numbers from 0. */

/** From one node to another. */
export type Direction = readonly [from: number, to: number]

/** How this page speaks of chance: one of `0 … count - 1`. */
type Int = (count: number) => number

export interface Shape {
  cut: Direction[]
  /** Nodes that can still have a write committed: they reach a majority, both ways. */
  majority: number[]
  /** Nodes that cannot. */
  minority: number[]
}

/** Every direction between nodes that are not of one group. */
export function between(groups: readonly (readonly number[])[]): Direction[] {
  return groups.flatMap((group) =>
    groups.flatMap((other) => (group === other ? [] : group.flatMap((from) => other.map((to): Direction => [from, to])))),
  )
}

/** A majority, and the others: 3|2. */
export function halves(count: number, int: Int): Shape {
  const nodes = shuffled(count, int)
  const most = Math.floor(count / 2) + 1
  const [majority, minority] = [nodes.slice(0, most), nodes.slice(most)]
  return { cut: between([majority, minority]), majority, minority }
}

/** One node that nobody hears and that hears nobody. */
export function alone(count: number, int: Int): Shape {
  const [one = 0, ...others] = shuffled(count, int)
  return { cut: between([[one], others]), majority: others, minority: [one] }
}

/** What one sends another is lost; what the other sends arrives. Nobody is promised a majority, nor denied it. */
export function oneWay(count: number, int: Int): Shape {
  const [from = 0, to = 0] = shuffled(count, int)
  return { cut: [[from, to]], majority: [], minority: [] }
}

/** Two sides that only one node, of neither, hears both of. */
export function bridge(count: number, int: Int): Shape {
  const [, ...others] = shuffled(count, int)
  const most = Math.ceil(others.length / 2)
  return { cut: between([others.slice(0, most), others.slice(most)]), majority: [], minority: [] }
}

/** Each hears the next and the one before: with five nodes everybody sees a majority, and no two the same one. */
export function ring(count: number, int: Int): Shape {
  const nodes = shuffled(count, int)
  const isApart = (a: number, b: number) => Math.min((a - b + count) % count, (b - a + count) % count) > 1
  const cut = nodes.flatMap((from, at) => nodes.flatMap((to, other): Direction[] => (isApart(at, other) ? [[from, to]] : [])))
  return { cut, majority: [], minority: [] }
}

export function shuffled(count: number, int: Int): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last -= 1) {
    const other = int(last + 1)
    const [a, b] = [order[last] as number, order[other] as number]
    order[last] = b
    order[other] = a
  }
  return order
}
