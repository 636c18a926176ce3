/** What calls of each version took at each member, measured from here, and when it is worth measuring them elsewhere. */
import { dropOldest } from '#protocols/bounded'
import type { Peer } from '#protocols/network'
import { emptySample, note, referenceOf, type Sample, verdictOf } from './outliers.ts'

/** Versions called from here lately; beyond it the one that came first is measured anew. */
const VERSIONS_MAX = 1024
/** Members measured for one version. */
const MEMBERS_MAX = 8
/** A member that answers so soon is worth comparing with nobody, and nobody else is warmed for it. */
const DOUBT_MS = 10
/** A first call is a cold one, and one call is no habit. */
const DOUBT_CALLS = 3
const DOUBT_UNDER_WAY_MS = 50
const DOUBT_FAILURES = 0.3
/** Others that are measured before a member is judged: with two, no single one of them decides. */
const REFERENCES = 2
/** Once there are references, they are kept fresh: at most one call in so many, and at most one in so long. */
const REFRESH_CALLS = 20
const REFRESH_MS = 1000

interface Row {
  samples: Map<Peer, Sample>
  /** Calls since others were measured last, and when that was. */
  calls: number
  comparedAt: number
}

/** A member as measures see it. */
export interface Measured {
  readonly peer: Peer
  /** Since when the oldest of its calls is under way, in milliseconds; 0 when there is none. */
  readonly oldestMs: number
  /** Calls of the version that were handed over and have not ended, in milliseconds since. */
  underWayMs(version: string): number[]
}

export class Measures {
  readonly #isFit: (peer: Peer) => boolean
  readonly #rows = new Map<string, Row>()

  /** `isFit`: whether a member is in no trouble, so that others may be judged by it. */
  constructor(isFit: (peer: Peer) => boolean) {
    this.#isFit = isFit
  }

  record(version: string, peer: Peer, ms: number, isFailure: boolean): void {
    note(this.#sample(version, peer), ms, isFailure)
  }

  /** Whether it might be worse than others. Asked with every call, so it builds nothing. */
  doubts(version: string, member: Measured): boolean {
    if (member.oldestMs >= DOUBT_UNDER_WAY_MS) return true
    const own = this.#rows.get(version)?.samples.get(member.peer)
    if (own === undefined || own.count < DOUBT_CALLS) return false
    return (own.typicalMs ?? 0) >= DOUBT_MS || own.failures >= DOUBT_FAILURES
  }

  /** What is wrong with it by its calls of this version, if anything. */
  judge(version: string, member: Measured): 'slow' | 'failing' | undefined {
    const row = this.#rows.get(version)
    const own = row?.samples.get(member.peer) ?? emptySample()
    return verdictOf(own, member.underWayMs(version), this.#others(row, member.peer))
  }

  /** Whether a call of a doubted member should go to another for comparison: too little is known to judge by, or nothing fresh. */
  wantsComparison(version: string, home: Measured, othersCount: number, now: number): boolean {
    const row = this.#row(version)
    row.calls += 1
    const references = this.#others(row, home.peer).filter((each) => each.count > 0).length
    const isDue = row.calls >= REFRESH_CALLS && now - row.comparedAt >= REFRESH_MS
    if (references >= Math.min(REFERENCES, othersCount) && !isDue) return false
    row.calls = 0
    row.comparedAt = now
    return true
  }

  /** The median of the version's last calls there. */
  typicalMs(version: string, peer: Peer): number | undefined {
    return this.#rows.get(version)?.samples.get(peer)?.typicalMs
  }

  /** Calls of the version that ended there. */
  countAt(version: string, peer: Peer): number {
    return this.#rows.get(version)?.samples.get(peer)?.count ?? 0
  }

  /** What the same work takes at the others. */
  referenceMs(version: string, peer: Peer): number | undefined {
    return referenceOf(this.#others(this.#rows.get(version), peer))
  }

  /** A member that is well again begins anew, and so does one that came back under its name. */
  forget(peer: Peer): void {
    for (const { samples } of this.#rows.values()) samples.delete(peer)
  }

  #row(version: string): Row {
    let row = this.#rows.get(version)
    if (row === undefined) {
      dropOldest(this.#rows, VERSIONS_MAX)
      this.#rows.set(version, (row = { samples: new Map(), calls: 0, comparedAt: Number.NEGATIVE_INFINITY }))
    }
    return row
  }

  #sample(version: string, peer: Peer): Sample {
    const { samples } = this.#row(version)
    let sample = samples.get(peer)
    if (sample === undefined) {
      dropOldest(samples, MEMBERS_MAX)
      samples.set(peer, (sample = emptySample()))
    }
    return sample
  }

  #others(row: Row | undefined, peer: Peer): Sample[] {
    if (row === undefined) return []
    return [...row.samples].filter(([each]) => each !== peer && this.#isFit(each)).map(([, sample]) => sample)
  }
}
