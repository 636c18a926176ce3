/** Who decides about a function, and how many instances of it this node may have: from the members it sees, asking nobody. */
import type { FunctionRecord } from '#protocols/catalog'
import type { Members, Peer } from '#protocols/network'
import type { Role } from '#protocols/lifecycle'
import type { ScaleSettings } from '#protocols/scale'
import { fits, type Traits } from '#protocols/traits'
import { seedOf } from '../placement.ts'
import { ownerOf } from '../triggers/owner.ts'
import { allotmentOf } from './spread.ts'

export interface PartsInit {
  peer: Peer
  /** This node's own, as long as it runs them. */
  has: (role: Role) => boolean
  members: Pick<Members, 'withRole' | 'onChange'>
  /** This node's own, for functions that ask for some. */
  traits: Traits
  /** How a version is scaled. */
  scaleOf: (record: FunctionRecord) => ScaleSettings
}

/** Owners that are remembered until members change: a hash per router each. */
const OWNERS_MAX = 10_000

interface Seeded {
  readonly peer: Peer
  readonly seed: number
  readonly traits: Traits
}

export class Parts {
  readonly #init: PartsInit
  readonly #owners = new Map<string, Peer | undefined>()
  #executors: readonly Seeded[] | undefined

  constructor(init: PartsInit) {
    this.#init = init
  }

  /** Forgets what members changed. Calls `changed` after each change. Returns the way to stop. */
  follow(changed: () => void): () => void {
    return this.#init.members.onChange(() => {
      this.reset()
      changed()
    })
  }

  /** This node took up a role, or laid one down. */
  reset(): void {
    this.#owners.clear()
    this.#executors = undefined
  }

  /** The router that decides about the function; none where there is no router. */
  ownerOf(namespace: string, name: string): Peer | undefined {
    const key = `${namespace}/${name}`
    if (this.#owners.has(key)) return this.#owners.get(key)
    if (this.#owners.size >= OWNERS_MAX) this.#owners.clear()
    const owner = ownerOf(`scale/${key}`, this.#peersOf('router'))
    this.#owners.set(key, owner)
    return owner
  }

  /** How many instances each executor may have of a version, in all `max`; whoever is not among them, none. */
  allotments(record: FunctionRecord): ReadonlyMap<Peer, number> {
    this.#executors ??= this.#executorsNow()
    const { place } = record.manifest.settings
    const fitting = place === undefined ? this.#executors : this.#executors.filter((each) => fits(place, each.traits))
    return new Map([...allotmentOf(record.version, fitting, this.#init.scaleOf(record).max)].map(([{ peer }, count]) => [peer, count]))
  }

  /** This node's part. */
  shareOf(record: FunctionRecord): { instancesMax: number; target: number; idleMs: number } {
    const { target, idleMs } = this.#init.scaleOf(record)
    return { instancesMax: this.allotments(record).get(this.#init.peer) ?? 0, target, idleMs }
  }

  #executorsNow(): Seeded[] {
    const { members, peer, traits } = this.#init
    const traitsOf = new Map<Peer, Traits>(members.withRole('executor').map((each) => [each.peer, each]))
    return this.#peersOf('executor').map((each) => ({
      peer: each,
      seed: seedOf(each),
      traits: each === peer ? traits : (traitsOf.get(each) ?? {}),
    }))
  }

  #peersOf(role: Role): Peer[] {
    const { has, members, peer } = this.#init
    const others = members.withRole(role).map((each) => each.peer)
    return has(role) ? [peer, ...others] : others
  }
}
