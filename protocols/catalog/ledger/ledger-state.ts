/** What the entries come to: who holds what, the functions, secrets and hooks. Entries in, in any order; `settle` works out what changed. */
import { digestOf, encode } from '#protocols/codec'
import type { Setting } from '../catalog.ts'
import { LedgerAuthority } from './authority.ts'
import { type Line, type Place, placeOf } from './entry.ts'
import { Electorate } from './receipts/electorate.ts'
import { factOf, Fold, type FunctionState } from './fold.ts'
import { type Reference, References } from './references.ts'
import { Shared } from './shared.ts'

export class LedgerState {
  readonly authority: LedgerAuthority
  /** Whose receipts count. */
  readonly electorate = new Electorate()
  readonly #fold: Fold
  readonly #references: References
  readonly #shared = new Shared()

  /** `root`: the universe's root key. */
  constructor(root: string) {
    this.authority = new LedgerAuthority(root)
    this.#fold = new Fold(this.authority)
    this.#references = new References(this.authority)
  }

  /** Returns the line's place, as it is kept. */
  insert(line: Line): Place {
    const place = { ...placeOf(line), author: this.#shared.text(line.author) }
    this.authority.insert(line)
    this.electorate.insert(line)
    this.#references.insert(line)
    const fact = factOf(line, place, this.#shared)
    if (fact !== undefined) this.#fold.insert(fact)
    return place
  }

  /** Takes out what a frozen author wrote from `seq` on. */
  freeze(author: string, seq: number): void {
    const isOut = (place: Place) => place.author === author && place.seq >= seq
    for (const rows of [this.#fold, this.#references]) rows.remove(isOut)
    this.authority.freeze(author, seq)
  }

  /** Takes out the entries of these places, as if they had never been; they may come again. */
  remove(isOut: (place: Place) => boolean): void {
    for (const rows of [this.#fold, this.#references, this.authority, this.electorate]) rows.remove(isOut)
  }

  /** Functions whose state is new, and whether authority changed. */
  settle(): { states: FunctionState[]; authorityChanged: boolean } {
    const authorityChanged = this.authority.settle()
    if (authorityChanged) for (const rows of [this.#fold, this.#references]) rows.rejudge()
    this.#references.flush()
    return { states: this.#fold.flush(), authorityChanged }
  }

  /** Also of functions that are retired. */
  function(namespace: string, name: string): FunctionState | undefined {
    return this.#fold.get(namespace, name)
  }

  /** Secrets and hooks of a namespace. */
  references(namespace: string): Reference[] {
    return this.#references.list(namespace)
  }

  settings(): readonly Setting[] {
    return this.#references.settings()
  }

  /** What stands besides the functions: equal on two nodes exactly when authority, secrets and hooks are. */
  digest(): string {
    return digestOf(encode([this.authority.digest(), this.#references.digest()]))
  }
}
