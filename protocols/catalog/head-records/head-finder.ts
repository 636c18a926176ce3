/** Functions by what catalogs said of them in the DHT: for a node without the ledger, while no catalog answers. A hint, and bounded. */
import { dropOldest } from '#protocols/bounded'
import type { FunctionRef } from '#protocols/function'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'
import { universeId } from '#protocols/access'
import type { FunctionRecord } from '../catalog.ts'
import { type Head, HeadJudge, headKeyOf, HEADS, recordIn } from './head-record.ts'
import { bodyOf } from '../ledger/bodies.ts'
import type { Entry } from '../ledger/entry.ts'

const FIND_MS = 2000
/** How long "there is none" holds. */
const MISSING_MS = 2000
const MISSING_MAX = 1000
/** A flood of unknown names costs the DHT so many questions at a time. */
const FINDING_MAX = 16
const OUT_MAX = 1024

export interface HeadFinderInit {
  network: Network
  universe: { root: string }
  clock: Clock
  random: Random
  /** Whether the ledger, as far as it is followed, says that a key is no catalog (any more); absent: nothing is known. */
  isNone?: (key: string) => boolean
}

export class HeadFinder {
  readonly #init: HeadFinderInit
  readonly #judge: HeadJudge
  readonly #finding = new Map<string, Promise<Head | undefined>>()
  readonly #missing = new Map<string, number>()
  /** Keys that the root shut out, as far as it was heard. */
  readonly #out = new Set<string>()
  #stop: (() => void) | undefined

  constructor(init: HeadFinderInit) {
    const { universe, clock } = init
    this.#init = init
    this.#judge = new HeadJudge({
      universe,
      now: () => clock.now(),
      isOut: (signer) => this.#out.has(signer) || init.isNone?.(signer) === true,
    })
  }

  start(): void {
    this.#stop ??= this.#init.network.judgeRecords(HEADS, (key, value) => this.#judge.rank(key, value))
  }

  stop(): void {
    this.#stop?.()
    this.#stop = undefined
  }

  /** The record a reference means; `undefined` where the DHT does not say. */
  async find(ref: FunctionRef): Promise<FunctionRecord | undefined> {
    const head = await this.#head(headKeyOf(universeId(this.#init.universe), ref.namespace, ref.name))
    return head && recordIn(head, ref, this.#init.random)
  }

  /** A fresh entry that its author signed: the root's bans and rotations end what their keys say. */
  hear(entry: Entry): void {
    const { universe } = this.#init
    if (entry.author !== universe.root || entry.universe !== universeId(universe)) return
    const key = entry.type === 'ban' ? bodyOf(entry, 'ban')?.member : entry.type === 'rotate' ? bodyOf(entry, 'rotate')?.from : undefined
    if (key !== undefined && this.#out.size < OUT_MAX) this.#out.add(key)
  }

  async #head(key: string): Promise<Head | undefined> {
    const { clock } = this.#init
    if (clock.monotonic() - (this.#missing.get(key) ?? Number.NEGATIVE_INFINITY) < MISSING_MS) return undefined
    const known = this.#finding.get(key)
    if (known !== undefined) return known
    if (this.#finding.size >= FINDING_MAX) return undefined
    const finding = this.#look(key).finally(() => this.#finding.delete(key))
    this.#finding.set(key, finding)
    return finding
  }

  async #look(key: string): Promise<Head | undefined> {
    const { network, clock } = this.#init
    const value = await network.getRecord(HEADS, key, { timeoutMs: FIND_MS })
    if (value !== undefined) return this.#judge.open(key, value)
    dropOldest(this.#missing, MISSING_MAX)
    this.#missing.set(key, clock.monotonic())
    return undefined
  }
}
