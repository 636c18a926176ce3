/** The live version of every function (of several with weights the heaviest), followed from the catalog: who has to know of all functions hears of each change once. */
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { LIVE } from '#protocols/function'
import { type Clock, every, unhurried } from '#protocols/lifecycle'

/** A catalog on a peer tells of changes by gossip, which may be lost; one that is here never is asked twice. */
const AGAIN_MS = 30_000
/** Functions that are told of before others have their turn. */
const AT_ONCE = 16
/** After a catalog could not be asked. */
const RETRY_MS = 1000

export interface LiveFunctionsInit {
  catalog: Pick<Catalog, 'all' | 'get'>
  events: Events
  clock: Clock
  /** The function's live version as it is now; absent record: there is none any more. Called again for what did not change. */
  changed: (namespace: string, name: string, record: FunctionRecord | undefined) => void
}

export class LiveFunctions {
  readonly #init: LiveFunctionsInit
  readonly #known = new Set<string>()
  #stops: (() => void)[] = []
  #isStopped = true
  #retry: (() => void) | undefined
  #isListed = false
  /** A list that was asked for before a change says nothing of it. */
  #change = 0

  constructor(init: LiveFunctionsInit) {
    this.#init = init
  }

  /** Whether all there are were told of. */
  get isListed(): boolean {
    return this.#isListed
  }

  /** Resolves when all functions were told of, or cannot be yet. */
  async start(): Promise<void> {
    if (!this.#isStopped) return
    this.#isStopped = false
    const { events, clock } = this.#init
    this.#stops = [
      events.on('catalog.changed', ({ namespace, name }) => {
        this.#change++
        if (namespace === undefined || name === undefined) void this.#all()
        else void this.#one(namespace, name)
      }),
      every(
        clock,
        AGAIN_MS,
        () => this.#all(true),
        () => {},
      ),
    ]
    await this.#all()
  }

  stop(): void {
    this.#isStopped = true
    this.#retry?.()
    for (const stop of this.#stops.splice(0)) stop()
  }

  async #all(onlyRemote = false): Promise<void> {
    const change = this.#change
    try {
      const { catalog, clock } = this.#init
      const all = catalog.all()
      if (onlyRemote && !(all instanceof Promise)) return
      const records = await all
      const gone = new Set(this.#known)
      // Who hears of one may read its cron line, which takes a millisecond.
      for await (const record of unhurried(records, AT_ONCE, clock)) {
        if (this.#isStopped) return
        gone.delete(`${record.namespace}/${record.name}`)
        this.#tell(record.namespace, record.name, record)
      }
      if (this.#isStopped) return
      // What changed meanwhile was told of by itself, and may be told of wrongly here.
      if (change !== this.#change) return this.#again()
      this.#isListed = true
      for (const key of gone) this.#tell(...(key.split('/') as [string, string]), undefined)
    } catch {
      this.#again()
    }
  }

  async #one(namespace: string, name: string): Promise<void> {
    try {
      const record = await heaviest(this.#init.catalog, namespace, name)
      if (!this.#isStopped) this.#tell(namespace, name, record)
    } catch (error) {
      if (this.#isStopped) return
      if (error instanceof OsirisError && error.code === 'not_found') this.#tell(namespace, name, undefined)
      else this.#again()
    }
  }

  #again(): void {
    if (this.#isStopped) return
    this.#retry?.()
    this.#retry = this.#init.clock.after(RETRY_MS, () => void this.#all())
  }

  #tell(namespace: string, name: string, record: FunctionRecord | undefined): void {
    const key = `${namespace}/${name}`
    if (record === undefined) this.#known.delete(key)
    else this.#known.add(key)
    this.#init.changed(namespace, name, record)
  }
}

/** The live version with most traffic: of an alias with weights a reference means any of its versions. */
export async function heaviest(catalog: Pick<Catalog, 'get'>, namespace: string, name: string): Promise<FunctionRecord> {
  const record = await catalog.get({ namespace, name })
  const [first] = (record.aliases[LIVE] ?? []).toSorted((a, b) => b.weight - a.weight)
  if (first === undefined || first.version === record.version) return record
  return catalog.get({ namespace, name, selector: first.version })
}
