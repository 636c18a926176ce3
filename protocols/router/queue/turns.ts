/** What is compared with another router first, of more than can be compared at a time. */
import type { Random } from '#protocols/lifecycle'
import { isOver, type Stored } from './record.ts'

/** What is not over comes first, and of both another part each time: nothing is behind what is long done for good. */
export function inTurn(held: readonly Stored[], random: Random): Stored[] {
  const open = held.filter(({ head }) => !isOver(head))
  const over = held.filter(({ head }) => isOver(head))
  return [...fromAnywhere(open, random), ...fromAnywhere(over, random)]
}

function fromAnywhere<T>(list: readonly T[], random: Random): T[] {
  const from = Math.floor(random() * list.length)
  return [...list.slice(from), ...list.slice(0, from)]
}
