/** Faults of the network: a universe whose links can be cut, slowed or made lossy, under calls and deploys. What they have in common. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Callers, failuresIn, TIMEOUT_MS } from './callers.ts'
import { deployCalled, judge, summaryOf } from './calls.ts'
import { Deployers } from './deployers.ts'
import { Dice } from './dice.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import { agree, examine } from './invariants.ts'
import type { FaultNode } from './node.ts'
import { Sink } from './sink.ts'
import { FaultUniverse } from './universe.ts'
import { Lab, unable } from './wires/lab.ts'

/** THREATS 3: 50 calls and one deploy a second; a call takes some 10 ms. */
const CALLERS = 8
const CALLER_PAUSE_MS = 300
const DEPLOY_PAUSE_MS = 2000
const QUIET_MS = 2000
const LOOK_MS = 50

/** What a strike can see and do. */
export interface Play {
  lab: Lab
  universe: FaultUniverse
  callers: Callers
  /** Nodes that nobody is to call through now. */
  away: Set<FaultNode>
  dice: Dice
  isTimed: boolean
  /** How long it is to last: less of it in `npm test`. */
  lastsMs: number
  /** 99th percentile of what answers took before. */
  quietMs: number
  /** Of this strike, from 0. */
  strike: number
  say: (text: string) => void
}

export interface NetworkFault {
  name: string
  does: string
  holds: string
  isQuick?: boolean
  strikes: number
  lastsMs: number
  /** Of calls; 5 s if not said. */
  timeoutMs?: number
  /** Every node has an instance, so that what is cut off can go on; otherwise calls cross the network. */
  isEverywhere?: boolean
  /** In `npm test`. */
  quickMs?: number
  /** Does it and looks meanwhile; the links are cleared afterwards. Returns what did not hold. */
  play(play: Play): Promise<string[]>
}

export function underNetwork(fault: NetworkFault): Fault {
  const { name, does, holds, isQuick = false, strikes } = fault
  return { name, does, holds, isQuick, strikes, quickStrikes: 1, unable, run: (init) => run(fault, init) }
}

async function run(fault: NetworkFault, init: FaultRun): Promise<Verdict> {
  const { nodes: count, seed, cleanup, isTimed, say } = init
  const lab = await Lab.start(count, seed, cleanup)
  const sink = await Sink.start(cleanup, lab)
  const universe = await FaultUniverse.start(count, init.dir, cleanup, { everything: true, places: lab.places })
  const { timeoutMs = TIMEOUT_MS, isEverywhere = false } = fault
  await deployCalled(universe, sink, { timeoutMs, ...(isEverywhere ? { scale: { min: count } } : {}) })
  say(`${count} nodes are ready, each in a network namespace`)
  let strike = 0
  const dice = new Dice(seed, fault.name)
  const away = new Set<FaultNode>()
  const callers = new Callers({
    count: CALLERS,
    seed,
    timeoutMs,
    pauseMs: CALLER_PAUSE_MS,
    nodes: () => universe.ready().filter((node) => !away.has(node)),
  })
  const ready = () => universe.ready()
  const deployers = new Deployers({ count: 1, seed, pauseMs: DEPLOY_PAUSE_MS, ready, strikes: () => strike })
  cleanup.add(async () => {
    await Promise.all([callers.pause(), deployers.pause()])
  })
  const problems: string[] = []
  let worstMs = 0
  callers.start()
  for (; strike < init.strikes && problems.length === 0; strike += 1) {
    deployers.start()
    callers.mark()
    await sleep(QUIET_MS)
    cleanup.signal.throwIfAborted()
    const quietMs = callers.p99()
    callers.mark()
    const lastsMs = isTimed ? fault.lastsMs : (fault.quickMs ?? fault.lastsMs)
    problems.push(...(await fault.play({ lab, universe, callers, away, dice, isTimed, lastsMs, quietMs, strike, say })))
    await deployers.pause()
    await lab.clear()
    const healed = await heal(universe, callers, init.settleMs)
    worstMs = Math.max(worstMs, healed.tookMs)
    problems.push(...healed.problems, ...universe.troubles(), ...(await examine(universe.nodes, deployers.acknowledged)))
    say(
      `strike ${strike + 1}, ${callers.total()} calls, ${deployers.acknowledged.length} deploys acknowledged, healed after ${healed.tookMs} ms`,
    )
  }
  await callers.pause()
  problems.push(...judge(callers, sink, false), ...(isTimed ? callers.late : []))
  await universe.stop()
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  const deploys = `${deployers.acknowledged.length} deploys acknowledged`
  return {
    summary: `${strike} strikes; ${summaryOf(callers)}; ${deploys}; all agreed and answered within ${worstMs} ms of the end of each`,
    problems,
  }
}

/** THREATS 3, B4 and B5: all agree, and a call through each node is answered, without a hand. */
async function heal(universe: FaultUniverse, callers: Callers, settleMs: number): Promise<{ tookMs: number; problems: string[] }> {
  const startedAt = callers.mark()
  const { problems } = await agree(universe.nodes, settleMs)
  const silent = () => universe.nodes.filter(({ name }) => !callers.first.has(name)).map(({ name }) => name)
  while (silent().length > 0 && performance.now() - startedAt < settleMs) await sleep(LOOK_MS)
  const tookMs = Math.round(performance.now() - startedAt)
  return {
    tookMs,
    problems:
      silent().length === 0
        ? problems
        : [...problems, `no call through ${silent().join(', ')} was answered ${tookMs} ms after all was well`],
  }
}

/** What share of the calls through these nodes since the last mark was answered. */
export function shareAnswered({ byNode }: Callers, names: readonly string[]): { share: number; told: string } {
  const tallies = names.flatMap((name) => byNode.get(name) ?? [])
  const ok = tallies.reduce((sum, tally) => sum + tally.ok, 0)
  const failed = tallies.reduce((sum, tally) => sum + failuresIn(tally), 0)
  const codes = tallies.flatMap((tally) => [...tally.failed].map(([code, times]) => `${times} ${code}`))
  return {
    share: ok / Math.max(1, ok + failed),
    told: `${ok} of ${ok + failed} calls through ${names.join(', ')} were answered (${codes.join(', ')})`,
  }
}
