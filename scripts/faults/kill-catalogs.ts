/** kill -9 at random moments under deploy load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Deployers } from './deployers.ts'
import { Dice } from './dice.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import { agree, diskProblems, examine } from './invariants.ts'
import type { FaultNode } from './node.ts'
import { FaultUniverse } from './universe.ts'

const DEPLOYERS = 8
/** Between two strikes; several deploys of each deployer fit in. */
const REST_MS_MAX = 900
/** A killed node stays away so long at most. */
const AWAY_MS_MAX = 300
/** A start takes some 500 ms on a machine that has nothing else to do: the second kill of one meets it in any part of it. */
const STARTING_MS_MAX = 800
/** Nodes that do not come back are found at the next look; the killing goes on. */
const READY_MS = 20_000
const LOOK_MS = 20
/** Codes a deploy may be answered with while nodes die around it. */
const HONEST = ['unavailable', 'outcome_unknown', 'not_committed', 'deadline_exceeded', 'overloaded']

type Strike = (killer: Killer) => Promise<void>
/** By weight. */
const STRIKES: readonly [number, Strike][] = [
  [70, (killer) => killer.one()],
  [15, (killer) => killer.twice()],
  [9, (killer) => killer.several(2)],
  [6, (killer) => killer.all()],
]

export const killCatalogs: Fault = {
  name: 'kill-catalogs',
  does: 'kill -9 of catalogs at random moments while versions are deployed: one, one again while it starts, two, all; each starts again on its disk',
  holds:
    'every version whose deploy was answered is on every node; all agree; ledger verify is clean on every node and disk; no fork, no process left behind',
  isQuick: true,
  run,
}

async function run(init: FaultRun): Promise<Verdict> {
  const universe = await FaultUniverse.start(init.nodes, init.dir, init.cleanup)
  init.say(`${init.nodes} nodes are ready`)
  const killer: Killer = new Killer(universe, new Dice(init.seed, 'killer'), () => deployers.acknowledged.length)
  const deployers = new Deployers({ count: DEPLOYERS, seed: init.seed, ready: () => universe.ready(), strikes: () => killer.kills })
  const problems: string[] = []
  let worstMs = 0
  init.cleanup.add(() => deployers.pause())
  while (killer.kills < init.strikes && problems.length === 0) {
    deployers.start()
    const next = Math.min(init.strikes, killer.kills + init.lookEvery)
    while (killer.kills < next) {
      init.cleanup.signal.throwIfAborted()
      await killer.strike()
    }
    await deployers.pause()
    await universe.heal()
    const { tookMs, problems: apart } = await agree(universe.nodes, init.settleMs)
    worstMs = Math.max(worstMs, tookMs)
    problems.push(...universe.troubles(), ...apart, ...(await examine(universe.nodes, deployers.acknowledged)))
    init.say(`${killer.kills} kills, ${deployers.acknowledged.length} deploys acknowledged, agreed after ${tookMs} ms`)
  }
  await universe.stop()
  init.say('stopped')
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  for (const node of universe.nodes) problems.push(...(await diskProblems(node)))
  const refused = [...deployers.refused].map(([code, count]) => `${count} ${code}`)
  const odd = [...deployers.refused.keys()].filter((code) => !HONEST.includes(code))
  if (odd.length > 0) problems.push(`deploys were answered with ${odd.join(', ')}`)
  const { acknowledged } = deployers
  if (acknowledged.length < init.strikes / 10) problems.push(`only ${acknowledged.length} deploys were acknowledged: nothing was at stake`)
  const committed = acknowledged.filter((each) => each.ack === 'committed').length
  const answers = `${acknowledged.length} deploys acknowledged (${committed} committed), others: ${refused.join(', ') || 'none'}`
  return { summary: `${killer.kills} kills; ${answers}; agreed within ${worstMs} ms`, problems }
}

class Killer {
  kills = 0
  readonly #universe: FaultUniverse
  readonly #dice: Dice

  readonly #acknowledged: () => number
  /** How many were, when it struck last. */
  #before = 0

  constructor(universe: FaultUniverse, dice: Dice, acknowledged: () => number) {
    this.#universe = universe
    this.#dice = dice
    this.#acknowledged = acknowledged
  }

  /**
   * At a random moment, once something was acknowledged since the last strike and enough nodes are ready: half of the time a bare majority, whose deploys
   * can just be committed, otherwise all but one. Else nothing would be at stake.
   */
  async strike(): Promise<void> {
    const count = this.#universe.nodes.length
    const enough = this.#dice.chance(0.5) ? Math.floor(count / 2) + 1 : count - 1
    const isAtStake = () => this.#universe.ready().length >= enough && this.#acknowledged() > this.#before
    const end = performance.now() + READY_MS
    while (!isAtStake() && performance.now() < end) await sleep(LOOK_MS)
    this.#before = this.#acknowledged()
    await sleep(this.#dice.int(REST_MS_MAX))
    await this.#dice.weighted(STRIKES)(this)
  }

  one(): Promise<void> {
    return this.several(1)
  }

  /** At once. */
  async several(count: number): Promise<void> {
    const left = [...this.#universe.nodes]
    const hit = Array.from({ length: count }, () => left.splice(this.#dice.int(left.length), 1)[0]).filter((node) => node !== undefined)
    await this.#kill(hit)
    await this.#return(hit)
  }

  all(): Promise<void> {
    return this.several(this.#universe.nodes.length)
  }

  /** The same one again, while it starts. */
  async twice(): Promise<void> {
    const node = this.#dice.pick(this.#universe.nodes) as FaultNode
    await this.#kill([node])
    await this.#return([node])
    await sleep(this.#dice.int(STARTING_MS_MAX))
    await this.#kill([node])
    await this.#return([node])
  }

  async #kill(nodes: readonly FaultNode[]): Promise<void> {
    const struck = await Promise.all(nodes.map((node) => node.kill()))
    this.kills += struck.filter(Boolean).length
  }

  async #return(nodes: readonly FaultNode[]): Promise<void> {
    await sleep(this.#dice.int(AWAY_MS_MAX))
    for (const node of nodes) if (!node.isUp) this.#universe.revive(node)
  }
}
