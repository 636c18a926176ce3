/** Keeps the table of subscriptions up with the catalog: all of it once, then function by function as they change. */
import { allows } from '#protocols/access'
import type { Catalog } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { type Clock, every, type MaybePromise, unhurried } from '#protocols/lifecycle'
import { heaviest } from '../triggers/live-functions.ts'
import { type Subscription, SubscriptionTable } from './subscriptions.ts'

/** A catalog on a peer tells of changes by gossip, which may be lost; one that is here never is asked twice. */
const REFRESH_MS = 60_000
/** Functions read before others have their turn. */
const AT_ONCE = 256

export interface FollowerInit {
  catalog: Pick<Catalog, 'get' | 'all' | 'grantsOf'>
  events: Events
  clock: Clock
}

export class Follower {
  #table = new SubscriptionTable()
  readonly #init: FollowerInit
  readonly #stops: (() => void)[] = []
  /** What changed since: a function, or all (`*`). */
  #changed = new Set<string>(['*'])
  #catchingUp: Promise<void> | undefined
  #isRemote = false

  constructor(init: FollowerInit) {
    this.#init = init
  }

  /** Whole at any time: while all of it is read anew, the one before. */
  get table(): SubscriptionTable {
    return this.#table
  }

  start(): void {
    const { events, clock } = this.#init
    this.#stops.push(events.on('catalog.changed', ({ namespace, name }) => this.#changes(namespace, name)))
    this.#stops.push(
      every(
        clock,
        REFRESH_MS,
        () => void (this.#isRemote && this.#changed.add('*')),
        () => {},
      ),
    )
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  /** Resolves when the table says what the catalog says; rejects where that cannot be asked. */
  current(): MaybePromise<void> {
    if (this.#changed.size === 0 && this.#catchingUp === undefined) return
    this.#catchingUp ??= this.#catchUp().finally(() => (this.#catchingUp = undefined))
    return this.#catchingUp
  }

  /**
   * Who may hear of the namespace's topics: its own functions, and others whose asker's key holds `read` there now, so that a grant that ends takes what
   * stood on it along. Rejects where the catalog cannot be asked.
   */
  async hearersOf(namespace: string): Promise<(subscription: Subscription) => boolean> {
    const foreign = this.table.of(namespace).filter((each) => each.namespace !== namespace)
    const allowed = new Set<string>()
    for (const key of new Set(foreign.flatMap(({ asker }) => asker ?? []))) {
      const grants = await this.#init.catalog.grantsOf(key)
      if (allows({ subject: '', grants }, 'read', namespace)) allowed.add(key)
    }
    return ({ namespace: own, asker }) => own === namespace || (asker !== undefined && allowed.has(asker))
  }

  #changes(namespace: string | undefined, name: string | undefined): void {
    if (this.#changed.has('*')) return
    if (namespace === undefined || name === undefined) this.#changed = new Set(['*'])
    else this.#changed.add(`${namespace}/${name}`)
  }

  async #catchUp(): Promise<void> {
    while (this.#changed.size > 0) {
      const changed = this.#changed
      this.#changed = new Set()
      try {
        if (changed.has('*')) await this.#readAll()
        else for (const each of changed) await this.#read(each)
      } catch (error) {
        for (const each of changed) this.#changed.add(each)
        throw OsirisError.from(error, 'Cannot tell who subscribes', 'unavailable')
      }
    }
  }

  async #readAll(): Promise<void> {
    const { catalog, clock } = this.#init
    const all = catalog.all()
    this.#isRemote = all instanceof Promise
    const table = new SubscriptionTable()
    for await (const each of unhurried(await all, AT_ONCE, clock)) table.set(each)
    this.#table = table
  }

  async #read(title: string): Promise<void> {
    const [namespace = '', name = ''] = title.split('/')
    try {
      this.table.set(await heaviest(this.#init.catalog, namespace, name))
    } catch (error) {
      if (!(error instanceof OsirisError) || error.code !== 'not_found') throw error
      this.table.delete(namespace, name)
    }
  }
}
