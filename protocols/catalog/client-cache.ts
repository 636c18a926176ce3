/** What a client keeps of the catalog: records by function, bounded, forgotten when an entry touches them or when they grow old. */
import { dropOldest } from '#protocols/bounded'
import { type FunctionRef, LIVE } from '#protocols/function'
import { pickTarget } from '#protocols/steering'
import type { Clock, Random } from '#protocols/lifecycle'
import type { OsirisError } from '#protocols/errors'
import type { FunctionRecord } from './catalog.ts'
import { functionKey } from './ledger/fold.ts'

export interface CacheLimits {
  functionsMax: number
  /** Of one function. */
  versionsMax: number
  /** A record is taken as it is for so long; for as long again it is still given out while a newer one is fetched. */
  freshMs: number
  /** How long "there is no such function" holds. */
  missingMs: number
}

interface Known {
  record: FunctionRecord
  at: number
}

interface FunctionCache {
  /** By version. */
  records: Map<string, Known>
  /** Ordinals and prefixes that were asked for → version. */
  selectors: Map<string, string>
  aliases: FunctionRecord['aliases']
  aliasesAt: number
}

export class ClientCache {
  readonly #clock: Clock
  readonly #random: Random
  readonly #limits: CacheLimits
  readonly #functions = new Map<string, FunctionCache>()
  readonly #missing = new Map<string, { error: OsirisError; at: number }>()

  constructor(init: { clock: Clock; random: Random; limits: CacheLimits }) {
    this.#clock = init.clock
    this.#random = init.random
    this.#limits = init.limits
  }

  /** The record, and whether it is time for a newer one. Throws the `not_found` that was answered a moment ago. */
  find(ref: FunctionRef): { record: FunctionRecord; stale: boolean } | undefined {
    const found = this.#known(ref)
    if (found === undefined) {
      this.#throwMissing(ref)
      return undefined
    }
    const { known, aliasesAt } = found
    // A version never changes; what it is reached by, does.
    const age = this.#clock.monotonic() - Math.min(known.at, aliasesAt)
    return age > 2 * this.#limits.freshMs ? undefined : { record: known.record, stale: age > this.#limits.freshMs }
  }

  /** The record however old it is: for when nobody can be asked. Gossip of a change has taken it away. */
  findOld(ref: FunctionRef): FunctionRecord | undefined {
    return this.#known(ref)?.known.record
  }

  /** Takes in what a member answered for `ref`; gives back the older object where nothing changed. */
  put(ref: FunctionRef, record: FunctionRecord): FunctionRecord {
    const key = functionKey(record.namespace, record.name)
    const at = this.#clock.monotonic()
    let cached = this.#functions.get(key)
    if (cached !== undefined && JSON.stringify(cached.aliases) !== JSON.stringify(record.aliases)) cached = undefined
    if (cached === undefined) {
      cached = { records: new Map(), selectors: new Map(), aliases: record.aliases, aliasesAt: at }
      dropOldest(this.#functions, this.#limits.functionsMax)
    }
    cached.aliasesAt = at
    this.#functions.set(key, cached)
    this.#missing.delete(missingKey(ref))
    if (ref.selector !== undefined && !Object.hasOwn(record.aliases, ref.selector)) {
      dropOldest(cached.selectors, this.#limits.versionsMax)
      cached.selectors.set(ref.selector, record.version)
    }
    const before = cached.records.get(record.version)?.record
    const kept = before !== undefined && before.versions === record.versions ? before : record
    dropOldest(cached.records, this.#limits.versionsMax)
    cached.records.set(record.version, { record: kept, at })
    return kept
  }

  putMissing(ref: FunctionRef, error: OsirisError): void {
    dropOldest(this.#missing, this.#limits.functionsMax)
    this.#missing.set(missingKey(ref), { error, at: this.#clock.monotonic() })
  }

  /** Forgets one function, and that any of its names was missing. */
  drop(namespace: string, name: string): void {
    this.#functions.delete(functionKey(namespace, name))
    this.#missing.clear()
  }

  #known(ref: FunctionRef): { known: Known; aliasesAt: number } | undefined {
    const cached = this.#functions.get(functionKey(ref.namespace, ref.name))
    if (cached === undefined) return undefined
    const selector = ref.selector ?? LIVE
    const targets = Object.hasOwn(cached.aliases, selector) ? cached.aliases[selector] : undefined
    const version = targets === undefined ? (cached.selectors.get(selector) ?? selector) : pickTarget(targets, this.#random)
    const known = cached.records.get(version)
    return known && { known, aliasesAt: cached.aliasesAt }
  }

  #throwMissing(ref: FunctionRef): void {
    const missing = this.#missing.get(missingKey(ref))
    if (missing !== undefined && this.#clock.monotonic() - missing.at < this.#limits.missingMs) throw missing.error
  }
}

function missingKey(ref: FunctionRef): string {
  return `${ref.namespace}/${ref.name}@${ref.selector ?? LIVE}`
}
