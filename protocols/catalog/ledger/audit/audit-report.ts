/** What an audit found: who signed what, and what is wrong. */
import { askedBy } from '../asker.ts'
import { compareText, type Entry, type Line } from '../entry.ts'
import type { SignedReceipt } from '../receipts/receipts.ts'

/**
 * `record`: bytes that do not match the checksum they were written with; `form`: not canonical, or not an entry; `signature`: not by its author;
 * `universe`: of another one; `chain`: not where it says it is in its feed; `gap`: something is missing; `authority`: its author was not allowed
 * to write it; `receipt`, `proof`: one that proves nothing; `artifact`: a file of built code that is not what its name says.
 */
export const DAMAGE_CLASSES = [
  'record',
  'form',
  'signature',
  'universe',
  'chain',
  'gap',
  'authority',
  'receipt',
  'proof',
  'artifact',
] as const
export type DamageClass = (typeof DAMAGE_CLASSES)[number]

export interface Damage {
  class: DamageClass
  author: string
  /** 0: of the author as a whole. */
  seq: number
  sentence: string
}

/** What one key signed. */
export interface AuditedKey {
  key: string
  /** What it was admitted as. */
  name: string | null
  /** Entries in its feed. */
  entries: number
  /** Of these, the ones with receipts of a majority of the catalogs (three at most). */
  committed: number
  first: { seq: number; atMs: number } | null
  last: { seq: number; atMs: number } | null
  /** Receipts it gave for entries, its own included. */
  receipts: number
  /** From this seq on nothing it wrote has an effect: it wrote two entries with it. */
  frozenFrom: number | null
}

/** What was asked for with tokens of one key, under one label. */
export interface AuditedAsker {
  /** `label (first 16 hex characters of the key)`, `label (root)`. */
  by: string
  key: string
  entries: number
}

export interface AuditSummary {
  ok: boolean
  entries: number
  committed: number
  receipts: number
  proofs: number
  /** By key. */
  keys: AuditedKey[]
  /** Files of built code that were read and are what their names say; from a node: none are read. */
  artifacts: number
  /** Whose tokens asked, as the nodes say that signed it; by key. The first 1,000. */
  askers: AuditedAsker[]
  /** How often each class was found; absent: never. */
  counts: Partial<Record<DamageClass, number>>
  /** The first ones found. */
  damage: Damage[]
}

const SHOWN_MAX = 100
/** Labels are free: a member may bring any number. */
const ASKERS_MAX = 1000

export class AuditReport {
  readonly #keys = new Map<string, AuditedKey>()
  readonly #askers = new Map<string, AuditedAsker>()
  #artifacts = 0
  readonly #damage: Damage[] = []
  readonly #counts: Partial<Record<DamageClass, number>> = {}

  entry({ author, seq, hlc }: Entry): void {
    const key = this.#key(author)
    key.entries += 1
    key.last = { seq, atMs: hlc.wallMs }
    key.first ??= key.last
  }

  /** An entry that its author was allowed to write, for whoever asked. */
  asked({ by, asker }: Line): void {
    if (asker === undefined) return
    const name = `${asker.key} ${by}`
    const known = this.#askers.get(name)
    if (known !== undefined) known.entries += 1
    else if (this.#askers.size < ASKERS_MAX) this.#askers.set(name, { by: askedBy(by, asker), key: asker.key, entries: 1 })
  }

  artifact(): void {
    this.#artifacts += 1
  }

  committed(author: string): void {
    this.#key(author).committed += 1
  }

  receipt({ holder }: SignedReceipt): void {
    this.#key(holder).receipts += 1
  }

  frozen(author: string, seq: number): void {
    this.#key(author).frozenFrom = seq
  }

  damage(damage: Damage): void {
    this.#counts[damage.class] = (this.#counts[damage.class] ?? 0) + 1
    if (this.#damage.length < SHOWN_MAX) this.#damage.push(damage)
  }

  summary(nameOf: (key: string) => string | undefined): AuditSummary {
    const keys = [...this.#keys.values()]
      .map((each) => ({ ...each, name: nameOf(each.key) ?? null }))
      .toSorted((a, b) => compareText(a.key, b.key))
    const sum = (of: (each: AuditedKey) => number) => keys.reduce((total, each) => total + of(each), 0)
    return {
      ok: this.#damage.length === 0,
      entries: sum((each) => each.entries),
      committed: sum((each) => each.committed),
      receipts: sum((each) => each.receipts),
      proofs: keys.filter((each) => each.frozenFrom !== null).length,
      keys,
      artifacts: this.#artifacts,
      askers: [...this.#askers.values()].toSorted((a, b) => compareText(a.key, b.key) || compareText(a.by, b.by)),
      counts: { ...this.#counts },
      damage: [...this.#damage],
    }
  }

  #key(key: string): AuditedKey {
    let known = this.#keys.get(key)
    if (known === undefined) {
      known = { key, name: null, entries: 0, committed: 0, first: null, last: null, receipts: 0, frozenFrom: null }
      this.#keys.set(key, known)
    }
    return known
  }
}
