/** Functions that keep instances (`scale.min`), whether anybody calls them or not. */
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { LIVE } from '#protocols/function'
import { type Clock, unhurried } from '#protocols/lifecycle'
import type { ScaleSettings } from '#protocols/scale'

export interface AlwaysOnInit {
  clock: Clock
  catalog: Pick<Catalog, 'get' | 'all'>
  scaleOf: (record: FunctionRecord) => ScaleSettings
}

interface Name {
  namespace: string
  name: string
}

interface Version extends Name {
  version: string
}

/** Changes are told as they come; this is for those that were missed. */
const LIST_MS = 300_000
/** After the catalog could not be asked. */
const AGAIN_MS = 5000
/** Functions looked at before others have their turn: half a millisecond. */
const AT_ONCE = 256
/** Functions asked for again in one round. */
const ASKED_MAX = 64

export class AlwaysOn {
  readonly #init: AlwaysOnInit
  /** By function. */
  #versions = new Map<string, readonly Version[]>()
  readonly #changed = new Map<string, Name>()
  #listedAtMs = Number.NEGATIVE_INFINITY
  #isAsking = false

  constructor(init: AlwaysOnInit) {
    this.#init = init
  }

  /** The catalog's view changed: of one function, or of any. */
  changed({ namespace, name }: Partial<Name>): void {
    if (namespace === undefined || name === undefined) this.#listedAtMs = Number.NEGATIVE_INFINITY
    else this.#changed.set(keyOf({ namespace, name }), { namespace, name })
  }

  has({ namespace, name, version }: Version): boolean {
    return this.#versions.get(keyOf({ namespace, name }))?.some((each) => each.version === version) === true
  }

  /** As last known. What changed is asked for, and counts from the next round on. */
  versions(): Version[] {
    void this.#ask()
    return [...this.#versions.values()].flat()
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      await this.#list()
      for (const [key, name] of [...this.#changed].slice(0, ASKED_MAX)) {
        this.#changed.delete(key)
        await this.#get(key, name)
      }
    } catch {
      // No catalog can be asked now: what is known stands, and everything is listed again.
      this.#listedAtMs = this.#init.clock.monotonic() - LIST_MS + AGAIN_MS
    } finally {
      this.#isAsking = false
    }
  }

  async #list(): Promise<void> {
    const { clock, catalog } = this.#init
    const now = clock.monotonic()
    if (now - this.#listedAtMs < LIST_MS) return
    this.#listedAtMs = now
    const versions = new Map<string, readonly Version[]>()
    for await (const record of unhurried(await catalog.all(), AT_ONCE, clock)) {
      const kept = this.#keptOf(record)
      if (kept.length > 0) versions.set(keyOf(record), kept)
    }
    this.#versions = versions
  }

  #keptOf(record: FunctionRecord): Version[] {
    const { namespace, name, aliases } = record
    return this.#init.scaleOf(record).min === 0 ? [] : (aliases[LIVE] ?? []).map(({ version }) => ({ namespace, name, version }))
  }

  async #get(key: string, name: Name): Promise<void> {
    try {
      const kept = this.#keptOf(await this.#init.catalog.get(name))
      if (kept.length > 0) this.#versions.set(key, kept)
      else this.#versions.delete(key)
    } catch (error) {
      if (!(error instanceof OsirisError) || error.code !== 'not_found') throw error
      this.#versions.delete(key)
    }
  }
}

function keyOf({ namespace, name }: Name): string {
  return `${namespace}/${name}`
}
