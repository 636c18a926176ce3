/** Who gets a message: the table of subscriptions, kept function by function from the manifests of what is live, and asked for each message. */
import type { FunctionRecord } from '#protocols/catalog'
import { coversTopic, isPlatformPattern, parseTopicPattern, type TopicPattern } from '#protocols/topic'

/** One entry of a function's `subscribe`. */
export interface Subscription {
  /** The function. */
  namespace: string
  name: string
  pattern: TopicPattern
  /** The key whose token asked for the version: to hear of another namespace's topics it must hold `read` there. */
  asker: string | undefined
  group: string | null
  attemptsMax: number
  backoffMs: number
}

/** What gets each message once: a function, or one of the functions of a group. */
export interface Subscriber {
  /** `shop/bill` of a function, `shop:billing` of a group; no name has a colon. */
  id: string
  namespace: string
  /** Names of its functions that the topic concerns, sorted; of a function by itself the one. */
  members: string[]
  attemptsMax: number
  backoffMs: number
}

/** What a function's live version subscribes to: messages, or the platform's own events (`triggers/events`). */
function subscriptionsOf({ namespace, name, manifest, asker }: FunctionRecord, toPlatform = false): Subscription[] {
  return manifest.settings.subscribe.flatMap(({ topic, group, attemptsMax, backoffMs }) => {
    const pattern = parseTopicPattern(topic, namespace)
    return isPlatformPattern(pattern) !== toPlatform ? [] : [{ namespace, name, pattern, asker, group, attemptsMax, backoffMs }]
  })
}

export class SubscriptionTable {
  readonly #toPlatform: boolean
  /** By function, so that one that is published again is replaced. */
  readonly #byFunction = new Map<string, Subscription[]>()
  /** By the namespace whose topics are meant. */
  readonly #byTopics = new Map<string, Set<Subscription>>()

  /** Of messages, or of the platform's own events. */
  constructor(toPlatform = false) {
    this.#toPlatform = toPlatform
  }

  /** The function as it is live now, in place of what was known of it. */
  set(record: FunctionRecord): void {
    this.delete(record.namespace, record.name)
    const subscriptions = subscriptionsOf(record, this.#toPlatform)
    if (subscriptions.length > 0) this.#byFunction.set(`${record.namespace}/${record.name}`, subscriptions)
    for (const each of subscriptions) {
      const about = this.#byTopics.get(each.pattern.namespace) ?? new Set()
      this.#byTopics.set(each.pattern.namespace, about.add(each))
    }
  }

  delete(namespace: string, name: string): void {
    const key = `${namespace}/${name}`
    for (const each of this.#byFunction.get(key) ?? []) {
      const about = this.#byTopics.get(each.pattern.namespace)
      about?.delete(each)
      if (about?.size === 0) this.#byTopics.delete(each.pattern.namespace)
    }
    this.#byFunction.delete(key)
  }

  /** Subscriptions to a namespace's topics, by function. */
  of(namespace: string): Subscription[] {
    return [...(this.#byTopics.get(namespace) ?? [])].toSorted((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name))
  }

  /** Whom a message concerns, by id: each group and each function by itself once, whatever the number of its patterns that cover the topic. */
  subscribersOf(namespace: string, topic: string, mayHear: (subscription: Subscription) => boolean = () => true): Subscriber[] {
    const labels = topic.split('.')
    const found = new Map<string, Subscriber>()
    for (const each of this.of(namespace)) if (coversTopic(each.pattern, labels) && mayHear(each)) addTo(found, each)
    return [...found.values()].toSorted((a, b) => compare(a.id, b.id))
  }
}

/** Where entries of one subscriber differ, the most attempts and the longest pause count: they are the more patient. */
function addTo(found: Map<string, Subscriber>, { namespace, name, group, attemptsMax, backoffMs }: Subscription): void {
  const id = group === null ? `${namespace}/${name}` : `${namespace}:${group}`
  const known = found.get(id)
  if (known === undefined) return void found.set(id, { id, namespace, members: [name], attemptsMax, backoffMs })
  if (!known.members.includes(name)) known.members.push(name)
  known.attemptsMax = Math.max(known.attemptsMax, attemptsMax)
  known.backoffMs = Math.max(known.backoffMs, backoffMs)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
