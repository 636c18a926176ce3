/** Everything about checkpoints that several catalogs signed: what they said, this node's own word, and joining by one. */
import type { Identity } from '#protocols/access'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import { CheckpointSet } from './checkpoint-set.ts'
import { CheckpointSigner } from './checkpoint-signer.ts'
import type { LedgerStatus } from '../catalog.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { Prover } from '../ledger/checkpoints/prover.ts'
import type { Offer } from '../ledger/checkpoints/shared-checkpoint.ts'
import type { Storage } from '#protocols/storage'

export interface CheckpointLimits {
  /** Between two looks at whether a checkpoint is to be signed. */
  checkpointIntervalMs: number
  /** Entries by which the ledger must have grown for a new one; a tenth of it where that is more. */
  checkpointEntries: number
  /** Entries that a node must lack to join by one; fewer are verified one by one as they come. */
  joinBehind: number
  /** Entries that came by one and are verified a second, about 0.12 ms each; a hundred thousand take fifty seconds. */
  provePerSecond: number
}

export const CHECKPOINT_LIMITS: CheckpointLimits = Object.freeze({
  checkpointIntervalMs: 5000,
  checkpointEntries: 1000,
  joinBehind: 5000,
  provePerSecond: 2000,
})

export interface CheckpointRoomInit {
  identity: Identity
  ledger: Ledger
  storage: Storage
  clock: Clock
  random: Random
  events: Events
  limits: CheckpointLimits
  viewDigest: () => Promise<string>
}

export class CheckpointRoom {
  readonly set: CheckpointSet
  readonly ledger: Ledger
  readonly #signer: CheckpointSigner
  readonly #events: Events
  readonly #prover: Prover
  #ends: (() => void)[] = []

  constructor(init: CheckpointRoomInit) {
    const { ledger, limits } = init
    this.#events = init.events
    this.ledger = ledger
    this.set = new CheckpointSet({ ...init, onError: (error) => this.#tell('warn', `Checkpoints are not kept on disk: ${String(error)}`) })
    this.#signer = new CheckpointSigner({
      ...init,
      set: this.set,
      isWhole: () => ledger.entries > 0 && ledger.adoption.stage === undefined && ledger.wants([]).length === 0,
      intervalMs: limits.checkpointIntervalMs,
      entriesMin: limits.checkpointEntries,
      tell: (level, text) => this.#tell(level, text),
    })
    this.#prover = new Prover({
      ...{ ledger, clock: init.clock, perSecond: limits.provePerSecond },
      onError: (error) => this.#tell('warn', `What came by a checkpoint is not verified: ${String(error)}`),
    })
  }

  /** After the ledger: whose word counts is in it. */
  load(): Promise<void> {
    return this.set.load()
  }

  start(): void {
    this.#ends = [this.#signer.start(), this.#prover.start()]
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end()
  }

  /** How many entries are here. */
  get entries(): number {
    return this.ledger.entries
  }

  /** How far the proof of what came by one goes. */
  status(): Pick<LedgerStatus, 'unproven' | 'refusedCheckpoints'> {
    const { adoption } = this.ledger
    const unproven = adoption.open(this.ledger.heads()).reduce((sum, { from, to }) => sum + to - from + 1, 0)
    return { unproven: adoption.stage === undefined ? 0 : unproven, refusedCheckpoints: adoption.refused() }
  }

  /** For a node that joins: the checkpoint that most agree on, and who signed it. */
  offer(): Offer | undefined {
    return this.set.offers()[0]
  }

  #tell(level: 'debug' | 'warn', text: string): void {
    this.#events.emit('log', { level, room: 'catalog', text })
  }
}
