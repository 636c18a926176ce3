/** Which node of a universe gets which roles. Pure. */
import type { Role } from '#protocols/lifecycle'

const ALL: Role[] = ['router', 'catalog', 'builder', 'executor']

/** What follows the first node, which has every role: each role is on two of five nodes at least, and the fifth has nothing but the router. */
const OTHERS: readonly Role[][] = [['catalog', 'executor'], ['router', 'executor'], ['catalog', 'builder'], ['router']]

/** Roles of the node at `index` (0 is the bootstrap). */
export function rolesAt(index: number): Role[] {
  return [...(index === 0 ? ALL : (OTHERS[(index - 1) % OTHERS.length] as Role[]))]
}

export const nodeNameAt = (index: number): string => `node-${index + 1}`

/** Place of a node in its universe; `undefined` for names of another form. */
export function indexOf(name: string): number | undefined {
  const match = /^node-([1-9]\d{0,3})$/.exec(name)
  return match === null ? undefined : Number(match[1]) - 1
}

/** The index after the highest one in use. */
export function nextIndex(names: readonly string[]): number {
  return Math.max(-1, ...names.map((name) => indexOf(name) ?? -1)) + 1
}
