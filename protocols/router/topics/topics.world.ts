/** Routers with topics on a memory mesh, in virtual time, over queues whose disks survive them; functions that count what they are given. */
import type { Access, Grant } from '#protocols/access'
import type { FunctionRecord } from '#protocols/catalog'
import { type ErrorCode, OsirisError } from '#protocols/errors'
import { createEvents, type Events } from '#protocols/events'
import { failed, NO_TIMING, type Outcome } from '#protocols/invocation'
import type { FunctionConfig } from '#protocols/manifest'
import { Dice } from '#protocols/simulation'
import type { TriggeredInvocation } from '#protocols/trigger'
import { QueueWorld } from '../queue/queue.world.ts'
import { FakeCatalog } from '../router.world.ts'
import { serveTopics } from './serve.ts'
import { TopicsService } from './service.ts'
import type { NewMessage, PublishedMessage } from './topics.ts'

export interface Given {
  function: string
  id: string
  topic: string
  data: unknown
  attempt: number
  atMs: number
  depth: number
}

type Subscribe = NonNullable<FunctionConfig['subscribe']>
/** How a function ends: the code of a failure, or nothing. `started: false`: nobody had room. */
type Behaviour = (given: Given, topics: TopicsService) => Promise<{ code: ErrorCode; started: boolean } | undefined>

export const ADA = { subject: 'ada', token: 'x.y.z' }
const META = { version: '', node: '', hops: 0, timing: NO_TIMING }

export class TopicsWorld {
  readonly queues: QueueWorld
  readonly dice: Dice
  /** What functions took without failing, and what they were given in all. */
  readonly taken: Given[] = []
  readonly given: Given[] = []
  readonly logs: string[] = []
  behave: Behaviour = async () => undefined
  /** What a caller may do; default: everything. */
  access: Pick<Access, 'require'> = { require: async ({ subject }) => ({ subject, grants: [] }) }
  /** What keys hold. */
  readonly grants = new Map<string, Grant[]>()
  readonly #topics = new Map<string, TopicsService>()
  readonly #functions = new Map<string, FunctionRecord>()
  readonly #events = new Set<Events>()

  constructor(seed = 1) {
    this.queues = new QueueWorld(seed)
    this.dice = new Dice(seed + 1000)
    this.queues.onStart = ({ name, network, queue, clock }) => {
      const events = createEvents()
      this.#events.add(events)
      events.on('log', ({ text }) => this.logs.push(text))
      const { random } = this.dice.fork(`${name} ${clock.now()}`)
      const catalog = {
        all: async () => [...this.#functions.values()],
        get: async (ref: Ref) => this.#record(ref),
        grantsOf: (key: string) => this.grants.get(key) ?? [],
      }
      const topics: TopicsService = new TopicsService({
        ...{ queue, network, clock, random, events, catalog, access: { require: (...words) => this.access.require(...words) } },
        router: { trigger: (invocation) => this.#run(invocation, topics) },
      })
      this.#topics.set(name, topics)
      serveTopics(network, topics)
      return topics
    }
  }

  at(name: string): TopicsService {
    return this.#topics.get(name) as TopicsService
  }

  /** `asker`: the key that asked for it. */
  subscribe(name: string, subscribe: Subscribe, asker?: string): void {
    const [namespace = '', short = ''] = name.split('/')
    const record = new FakeCatalog().add(namespace, short, { subscribe }).get({ namespace, name: short }) as FunctionRecord
    this.#functions.set(name, { ...record, asker })
    for (const events of this.#events) events.emit('catalog.changed', { namespace, name: short })
  }

  publish(node: string, topic: string, data: unknown, more: Partial<NewMessage> = {}): Promise<PublishedMessage> {
    const message = { namespace: 'demo', topic, data: Buffer.from(JSON.stringify(data)), ...more }
    return this.queues.end(this.at(node).publish(message, ADA))
  }

  /** Functions that took the message, sorted; one that took it twice is there twice. */
  takersOf(id: string): string[] {
    return this.taken
      .filter((each) => each.id === id)
      .map((each) => each.function)
      .toSorted()
  }

  /** Waits in virtual time. */
  work(ms: number): Promise<void> {
    const { scheduler } = this.queues
    return new Promise((resolve) => scheduler.after({ name: 'work', alive: true, waiting: 0 }, ms, resolve))
  }

  #record({ namespace, name }: Ref): FunctionRecord {
    const record = this.#functions.get(`${namespace}/${name}`)
    if (record === undefined) throw new OsirisError('not_found', `Cannot find "${namespace}/${name}"`)
    return record
  }

  async #run({ target, payload, depth }: TriggeredInvocation, topics: TopicsService): Promise<Outcome> {
    const event = JSON.parse(Buffer.from(payload.event).toString()) as Omit<Given, 'function' | 'atMs' | 'depth'>
    const { namespace, name } = target as Ref
    const given: Given = { ...event, function: `${namespace}/${name}`, atMs: this.queues.now, depth }
    this.given.push(given)
    const failure = await this.behave(given, topics)
    if (failure !== undefined) return failed(new OsirisError(failure.code, 'Cannot run it: no'), META, failure.started)
    this.taken.push(given)
    return { kind: 'value', value: Buffer.from('null'), meta: META }
  }
}

interface Ref {
  namespace: string
  name: string
}
