/** What is shown of subscriptions and dead letters. Pure. */
import { OsirisError } from '#protocols/errors'
import type { ItemDetail, ItemView } from '../queue/queue.ts'
import { type About, decodeAbout, decodeDelivery, TOPIC_KIND } from './message.ts'
import type { Subscription } from './subscriptions.ts'
import type { DeadLetter, DeadLetterDetail, SubscriptionSummary } from './topics.ts'

export function summaryOf({ namespace, name, pattern, group, attemptsMax, backoffMs }: Subscription): SubscriptionSummary {
  const topic = `${pattern.namespace}/${[...pattern.labels, ...(pattern.open ? ['**'] : [])].join('.')}`
  return { function: `${namespace}/${name}`, topic, group, attempts: attemptsMax, backoffMs }
}

/** Whether it is a dead letter of this namespace. */
export function isOf({ kind, key, state }: ItemView, namespace: string): boolean {
  return kind === TOPIC_KIND && state === 'dead' && key.startsWith(`${namespace}/`)
}

/** Undefined where what stands there cannot be read: it came from a disk or a peer. */
export function deadLetterOf({ id, about, attempts, endedAt, error }: ItemView): DeadLetter | undefined {
  const known = readable(about)
  return known && { id, ...known, attempts, diedAt: endedAt ?? 0, error: error ?? { code: 'internal', message: '' } }
}

export function detailOf(item: ItemDetail): DeadLetterDetail | undefined {
  const letter = deadLetterOf(item)
  if (letter === undefined || item.payload === undefined) return undefined
  const { message } = decodeDelivery(item.payload)
  return { ...letter, key: message.key, data: Buffer.from(message.data).toString() }
}

function readable(about: Uint8Array): About | undefined {
  try {
    return decodeAbout(about)
  } catch {
    return undefined
  }
}

export function notThere(verb: string, namespace: string, id: string): OsirisError {
  return new OsirisError(
    'not_found',
    `Cannot ${verb} the dead letter ${JSON.stringify(id.slice(0, 80))}: namespace "${namespace}" has none with this id`,
  )
}
