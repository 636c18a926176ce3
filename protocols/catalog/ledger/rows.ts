/**
 * Records folded from facts that authority judges. A fact later than all others of its record (the usual case) costs one step; an earlier one, or one
 * that authority judges otherwise than before, folds that record again, and no other.
 */
import { isWithin, type Standing } from './authority-evaluate.ts'
import { covers, deployOn, type Need } from './authority-rules.ts'
import { comparePlaces, type Place } from './entry.ts'

/** What a row needs of a fact. */
export interface JudgedFact {
  place: Place
  /** The grant it names. */
  basis: string | null
  namespace: string
  /** What it takes. Absent: to deploy in the namespace. */
  needs?: readonly Need[]
}

/** Who says what counts. The same object until it changes. */
export interface Judge {
  standing(author: string, basis: string | null): Standing
}

/** One record: its facts in total order, whether each counts, and what the first `folded` of them come to. */
interface Row<F, S> {
  facts: F[]
  counts: boolean[]
  state: S | undefined
  folded: number
  /** What `flush` last gave out. */
  told: S | undefined
}

/** What one author does by naming one grant. */
interface Pair<F, S> {
  author: string
  basis: string | null
  standing: Standing
  rows: Set<Row<F, S>>
}

export interface Changed<S> {
  before: S | undefined
  /** `undefined`: there is no such record, nor was there. */
  after: S | undefined
}

export class Rows<F extends JudgedFact, S> {
  readonly #judge: Judge
  readonly #step: (state: S | undefined, fact: F) => S | undefined
  readonly #rows = new Map<string, Row<F, S>>()
  readonly #pairs = new Map<string, Map<string | null, Pair<F, S>>>()
  readonly #touched = new Set<Row<F, S>>()

  constructor(init: { judge: Judge; step: (state: S | undefined, fact: F) => S | undefined }) {
    this.#judge = init.judge
    this.#step = init.step
  }

  insert(key: string, fact: F): void {
    const pair = this.#pairOf(fact)
    const counts = isCounted(fact, pair.standing)
    let row = this.#rows.get(key)
    if (row === undefined) {
      // As they are: a list that grew has room for sixteen more, and most records have one fact.
      this.#rows.set(key, (row = { facts: [fact], counts: [counts], state: undefined, folded: 0, told: undefined }))
      pair.rows.add(row)
      this.#touched.add(row)
      return
    }
    pair.rows.add(row)
    const at = positionOf(row.facts, fact.place)
    if (at === row.facts.length) {
      row.facts.push(fact)
      row.counts.push(counts)
    } else {
      row.facts.splice(at, 0, fact)
      row.counts.splice(at, 0, counts)
    }
    this.#touch(row, at)
  }

  /** Takes out the facts of these places, as if they had never been: for good. */
  remove(isOut: (place: Place) => boolean): void {
    for (const row of this.#rows.values()) {
      const kept = row.facts.map((fact) => !isOut(fact.place))
      const first = kept.indexOf(false)
      if (first < 0) continue
      row.facts = row.facts.filter((_, at) => kept[at])
      row.counts = row.counts.filter((_, at) => kept[at])
      this.#touch(row, first)
    }
  }

  /** Judges again what authors do by grants that are worth something else than before. */
  rejudge(): void {
    for (const pairs of this.#pairs.values()) {
      for (const pair of pairs.values()) {
        const standing = this.#judge.standing(pair.author, pair.basis)
        const differs = !isSame(standing, pair.standing)
        pair.standing = standing
        if (differs) for (const row of pair.rows) this.#rejudgeRow(row, pair)
      }
    }
  }

  /** What is new since the last flush. */
  flush(): Changed<S>[] {
    const changed: Changed<S>[] = []
    for (const row of this.#touched) {
      for (; row.folded < row.facts.length; row.folded += 1)
        if (row.counts[row.folded] === true) row.state = this.#step(row.state, row.facts[row.folded] as F)
      if (row.state !== row.told) changed.push({ before: row.told, after: row.state })
      row.told = row.state
    }
    this.#touched.clear()
    return changed
  }

  get(key: string): S | undefined {
    return this.#rows.get(key)?.state
  }

  states(): S[] {
    return [...this.#rows.values()].flatMap((row) => row.state ?? [])
  }

  #rejudgeRow(row: Row<F, S>, { author, basis, standing }: Pair<F, S>): void {
    for (const [at, fact] of row.facts.entries()) {
      if (fact.place.author !== author || fact.basis !== basis) continue
      const counts = isCounted(fact, standing)
      if (counts === row.counts[at]) continue
      row.counts[at] = counts
      this.#touch(row, at)
    }
  }

  /** The fact at this position is another one than before. */
  #touch(row: Row<F, S>, at: number): void {
    if (at < row.folded) {
      row.state = undefined
      row.folded = 0
    }
    this.#touched.add(row)
  }

  #pairOf({ place: { author }, basis }: F): Pair<F, S> {
    let pairs = this.#pairs.get(author)
    if (pairs === undefined) this.#pairs.set(author, (pairs = new Map()))
    let pair = pairs.get(basis)
    if (pair === undefined) pairs.set(basis, (pair = { author, basis, standing: this.#judge.standing(author, basis), rows: new Set() }))
    return pair
  }
}

function isCounted(fact: JudgedFact, standing: Standing): boolean {
  return isWithin(standing, fact.place) && (standing.grant === undefined || covers(standing.grant, fact.needs ?? deployOn(fact.namespace)))
}

function isSame(a: Standing, b: Standing): boolean {
  const same = (at: number) => {
    const [one, other] = [a.ways[at], b.ways[at]]
    return one?.seq === other?.seq && one?.expiresAtMs === other?.expiresAtMs && one?.since?.hash === other?.since?.hash
  }
  return a === b || (a.grant === b.grant && a.ways.length === b.ways.length && a.ways.every((_, at) => same(at)))
}

/** Where a fact of this place belongs; the end is tried first. */
function positionOf(facts: readonly JudgedFact[], place: Place): number {
  const last = facts.at(-1)
  if (last === undefined || comparePlaces(last.place, place) < 0) return facts.length
  let low = 0
  let high = facts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (comparePlaces((facts[middle] as JudgedFact).place, place) < 0) low = middle + 1
    else high = middle
  }
  return low
}
