/** Everything of one run: virtual time, the wire, the nodes, and what is known of what they promised. */
import type { Role } from '#protocols/lifecycle'
import { judgeRecord } from './checks/records.ts'
import { foundingOf, HOSTILE, NODES, ROOT } from './cast.ts'
import { EPOCH_MS } from './clock.ts'
import { Dice } from './dice.ts'
import { History } from './history.ts'
import { KeyDisk } from './key-disk.ts'
import { Node } from './node.ts'
import { type Owner, Scheduler } from './scheduler.ts'
import type { Trace } from './trace.ts'
import { Wire } from './wire.ts'

/** A rule that was broken: the checker's name, and what it saw. */
export interface Violation {
  rule: string
  text: string
  atMs: number
}

/** How wrong clocks are from the beginning. Two such clocks stay within the drift the ledger allows. */
const OFFSET_MS = 200
const RATE_PPM = 200
const START_MS = 200
/** Catalogs of a universe: three mostly, as two of them decide. */
const KEEPERS = [3, 3, 3, 3, 4, 5] as const
/** When a catalog comes that has nothing: behind most writes of a run, so that it joins by a checkpoint. */
const LATE_MS = { min: 1200, max: 4500 }
/** Fewer entries than a run writes; verified so slowly that kills fall in between. */
const JOINING = { joinBehind: 4, provePerSecond: 20, checkpointEntries: 3 }
/** Keys of the root's that one host makes in a run at most. */
const KEYS_MAX = 40
const ALL_ROLES: Role[] = ['catalog', 'router', 'executor']

export class World {
  readonly dice: Dice
  readonly scheduler: Scheduler
  readonly wire: Wire
  readonly nodes: readonly Node[]
  readonly history = new History()
  /** Time that belongs to the world and not to a node. */
  readonly owner: Owner = { name: 'world', alive: true, waiting: 0 }
  readonly hasHostile: boolean
  /** Some hosts have the root's key. */
  readonly isRuled: boolean
  /** When the last of those that keep the ledger starts for the first time; 0: with the others. */
  readonly #late: number
  /** What the root wrote before the run. */
  readonly founding: readonly Uint8Array[]
  violation: Violation | undefined
  /** Hears of a node at which somebody shall deploy now. */
  onWanted: (node: Node) => void = () => {}

  constructor(seed: number, trace: Trace) {
    this.dice = new Dice(seed)
    this.scheduler = new Scheduler(trace)
    this.scheduler.onThrown = (owner, error) => this.fail('no crash', `${owner.name} threw ${String((error as Error).stack ?? error)}`)
    this.wire = new Wire(this.scheduler, this.dice.fork('wire'))
    const shape = this.dice.fork('shape')
    const keepers = shape.pick(KEEPERS)
    const count = keepers + Number(shape.chance(0.3))
    this.hasHostile = shape.chance(0.5)
    const founding = foundingOf({ count, keepers, hasHostile: this.hasHostile })
    this.founding = founding
    const ruling = this.dice.fork('ruling')
    // Elsewhere the root is away from all nodes, and writes without asking them (`office.ts`).
    this.isRuled = !this.hasHostile && ruling.chance(0.7)
    const rulers = this.isRuled ? 1 + Number(ruling.chance(0.4)) : 0
    const joining = this.dice.fork('joining')
    this.#late = joining.chance(0.4) ? joining.between(LATE_MS.min, LATE_MS.max) : 0
    const everybody = NODES.slice(0, count).map((identity, at) => ({ name: `n${at + 1}`, identity }))
    const all = this.hasHostile ? [...everybody, { name: 'hostile', identity: HOSTILE }] : everybody
    this.nodes = everybody.map(
      (each, at) =>
        new Node({
          ...each,
          roles: at < keepers ? ALL_ROLES : ['router', 'executor'],
          scheduler: this.scheduler,
          wire: this.wire,
          dice: this.dice,
          clockError: { offsetMs: shape.between(-OFFSET_MS, OFFSET_MS), rate: 1 + shape.between(-RATE_PPM, RATE_PPM) / 1e6 },
          everybody: all,
          // Who comes late has nothing, not even the genesis.
          founding: this.#late > 0 && at === keepers - 1 ? [] : founding,
          isRuled: this.isRuled,
          keys: at < rulers ? new KeyDisk(this.scheduler, ruling.fork(each.name), 100 + at * KEYS_MAX, ROOT) : undefined,
          limits: this.#late > 0 ? JOINING : {},
          onStart: (id) => this.history.started(id),
          onRecord: (record) => judgeRecord(this, this.nodes[at] as Node, record),
          onHint: () => (this.history.counts.hints += 1),
          onLog: (text) => this.note(each.name, `  ${text}`),
        }),
    )
  }

  /** All who are honest and keep the ledger. */
  get keepers(): Node[] {
    return this.nodes.filter((node) => node.keepsLedger)
  }

  /** All whose hosts have the root's key, or had. */
  get rulers(): Node[] {
    return this.nodes.filter((node) => node.keys !== undefined)
  }

  /** All who keep no ledger and ask the others. */
  get askers(): Node[] {
    return this.nodes.filter((node) => !node.keepsLedger)
  }

  get living(): Node[] {
    return this.nodes.filter((node) => node.life?.ready === true)
  }

  get now(): number {
    return this.scheduler.now
  }

  /** True time as a clock without error would show it. */
  get trueWallMs(): number {
    return EPOCH_MS + this.now
  }

  after(delayMs: number, run: () => void): () => void {
    return this.scheduler.after(this.owner, delayMs, run)
  }

  note(who: string, text: string): void {
    this.scheduler.trace.note(this.now, who, text)
  }

  /** The first violation ends the run; what follows from it says nothing new. */
  fail(rule: string, text: string): void {
    if (this.violation !== undefined) return
    this.violation = { rule, text, atMs: this.now }
    this.note('check', `${rule}: ${text}`)
  }

  /** Starts a node's process; when its disk refuses, again a little later, as a supervisor does. */
  boot(node: Node): void {
    if (node.life !== undefined || node.absentUntilMs > this.now) return
    this.note(node.name, 'starts')
    node.start().then(
      () => this.note(node.name, 'is ready'),
      (error: unknown) => {
        this.note(node.name, `cannot start: ${(error as Error).message}`)
        node.kill(false)
        this.after(500, () => this.boot(node))
      },
    )
  }

  bootAll(): void {
    const late = this.#late > 0 ? this.keepers.at(-1) : undefined
    if (late !== undefined) late.absentUntilMs = this.#late
    for (const node of this.nodes) this.after(this.dice.between(0, START_MS) + node.absentUntilMs, () => this.boot(node))
  }

  kill(node: Node, silently: boolean): void {
    if (node.life === undefined) return
    this.note(node.name, silently ? 'loses its power' : 'is killed')
    node.kill(silently)
  }
}
