/** Deliveries whose ids somebody chose, or that are made from their cause: which of them are news. */
import { idOfCause } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { NewItem, Queue } from '../queue/queue.ts'
import { isWithdrawn } from '../queue/record.ts'

/** How often one may be taken back within the day that this is known: whoever tries again and again waits a little in between. */
const TIMES_MAX = 256

/**
 * Those that no router knows. One that was taken back before it was accepted was never there for whoever publishes it again; but its id is known to be over,
 * so that it comes under the next one. Throws `unavailable` where not all routers answer.
 */
export async function unknownOf(queue: Pick<Queue, 'look'>, items: readonly NewItem[]): Promise<NewItem[]> {
  return (await Promise.all(items.map((item) => unknownAs(queue, item)))).filter((each) => each !== undefined)
}

async function unknownAs(queue: Pick<Queue, 'look'>, item: NewItem): Promise<NewItem | undefined> {
  let { id } = item
  for (let times = 0; times < TIMES_MAX; times += 1) {
    const known = await queue.look(id)
    if (known === undefined) return { ...item, id }
    if (!isWithdrawn(known)) return undefined
    id = idOfCause(id)
  }
  throw new OsirisError('unavailable', `Cannot queue "${item.id}": it was taken back ${TIMES_MAX} times`)
}
