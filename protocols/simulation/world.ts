/** Everything of one run: virtual time, the wire, the nodes, and what is known of what they promised. */
import type { Role } from '#protocols/lifecycle'
import { judgeRecord } from './checks/records.ts'
import { foundingOf, HOSTILE, NODES } from './cast.ts'
import { EPOCH_MS } from './clock.ts'
import { Dice } from './dice.ts'
import { History } from './history.ts'
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
          founding,
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
    if (node.life !== undefined) return
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
    for (const node of this.nodes) this.after(this.dice.between(0, START_MS), () => this.boot(node))
  }

  kill(node: Node, silently: boolean): void {
    if (node.life === undefined) return
    this.note(node.name, silently ? 'loses its power' : 'is killed')
    node.kill(silently)
  }
}
