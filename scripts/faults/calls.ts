/** Faults under which functions are called: what they have in common. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Callers, failuresIn, FUNCTIONS, TIMEOUT_MS } from './callers.ts'
import { NAMESPACE } from './deployers.ts'
import { Dice } from './dice.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import type { FaultNode } from './node.ts'
import { Sink } from './sink.ts'
import { FaultUniverse } from './universe.ts'

const CALLERS = 16
const QUIET_MS = 1500
const READY_MS = 60_000
const LOOK_MS = 20
/** Codes a call may end with while nodes are in trouble. */
const HONEST = ['unavailable', 'outcome_unknown', 'deadline_exceeded', 'overloaded', 'worker_crashed']
const SUCCESS_MIN = 0.999
/** BARS: from the death of one until every other node has answered a call that began after it. */
const FIRST_MS_MAX = 2000

export interface Struck {
  /** Callers go elsewhere meanwhile; those it answers go on. */
  isAsked: boolean
  /** Ends what was done to it; resolves when it may be asked again. */
  heal(): Promise<void>
}

export interface CallsFault {
  name: string
  does: string
  holds: string
  isQuick?: boolean
  /** How long the fault lasts. */
  lastsMs: number
  strike(node: FaultNode, universe: FaultUniverse): Promise<Struck>
}

interface Settings {
  timeoutMs?: number
  scale?: { min: number }
}

/** Strikes one node after the other while calls run: none is lost, late, or started twice. */
export function underCalls(fault: CallsFault): Fault {
  const { name, does, holds, isQuick = false } = fault
  return { name, does, holds, isQuick, run: (init) => run(fault, init) }
}

async function run(fault: CallsFault, init: FaultRun): Promise<Verdict> {
  const sink = await Sink.start(init.cleanup)
  const universe = await FaultUniverse.start(init.nodes, init.dir, init.cleanup, { everything: true })
  const dice = new Dice(init.seed, fault.name)
  let away: FaultNode | undefined
  const callers = new Callers({ count: CALLERS, seed: init.seed, nodes: () => universe.ready().filter((node) => node !== away) })
  init.cleanup.add(() => callers.pause())
  await deployCalled(universe, sink)
  init.say(`${init.nodes} nodes are ready`)
  const problems: string[] = []
  let slowestMs = 0
  callers.start()
  for (let struck = 0; struck < init.strikes && problems.length === 0; struck += 1) {
    await sleep(QUIET_MS)
    init.cleanup.signal.throwIfAborted()
    const node = dice.pick(universe.ready()) as FaultNode
    const others = universe.ready().filter((each) => each !== node)
    const markedAt = callers.mark()
    const struckBy = await fault.strike(node, universe)
    if (!struckBy.isAsked) away = node
    const isEverybody = () => others.every((each) => callers.first.has(each.name))
    while (!isEverybody() && performance.now() - markedAt < READY_MS) await sleep(LOOK_MS)
    const firstMs = Math.round(isEverybody() ? Math.max(...others.map((each) => callers.first.get(each.name) ?? 0)) : READY_MS)
    slowestMs = Math.max(slowestMs, firstMs)
    if (firstMs > (init.isTimed ? FIRST_MS_MAX : READY_MS - 1))
      problems.push(`after strike ${struck + 1} (${node.name}) it took ${firstMs} ms until every other node had answered a call`)
    await sleep(Math.max(0, fault.lastsMs - (performance.now() - markedAt)))
    await struckBy.heal()
    away = undefined
    problems.push(...universe.troubles())
    if ((struck + 1) % init.lookEvery === 0) init.say(`${struck + 1} strikes, ${callers.total()} calls`)
  }
  await callers.pause()
  problems.push(...judge(callers, sink, init.isTimed))
  await universe.stop()
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  return {
    summary: `${summaryOf(callers)}; every other node answered within ${slowestMs} ms; ${sink.twice().filter(isOnce).length} started twice`,
    problems,
  }
}

/** The functions that callers call, with settings besides; resolves when every node has answered both. They wait a little, so that there is always something to lose. */
export async function deployCalled(
  universe: FaultUniverse,
  { url }: Sink,
  { timeoutMs = TIMEOUT_MS, ...settings }: Settings = {},
): Promise<void> {
  const source = `export default async (id) => {
    await fetch(${JSON.stringify(`${url}/`)} + id)
    await new Promise((resolve) => setTimeout(resolve, 5))
    return id
  }`
  const [first] = universe.ready()
  for (const name of FUNCTIONS) {
    const again = name === 'again' ? { idempotent: true, hedge: { after: '100ms' } } : {}
    const config = { access: 'public' as const, egress: [url], execution: { timeout: `${timeoutMs}ms` }, ...again, ...settings }
    await first?.client?.deploy({ namespace: NAMESPACE, name, source, language: 'javascript', ack: 'committed', config })
  }
  const end = performance.now() + READY_MS
  for (const { client } of universe.ready())
    for (const name of FUNCTIONS) {
      const isAnswered = () =>
        client?.call(`${NAMESPACE}/${name}`, 'warm').then(
          () => true,
          () => false,
        )
      while (!(await isAnswered()) && performance.now() < end) await sleep(LOOK_MS)
    }
}

const isOnce = (id: string) => id.startsWith('once-')

/** What did not hold of all calls there were. */
export function judge(callers: Callers, sink: Sink, isTimed: boolean): string[] {
  const { once, again } = callers.tallies
  const twice = sink.twice().filter(isOnce)
  const share = again.ok / Math.max(1, again.ok + failuresIn(again))
  const odd = [...new Set([...once.failed.keys(), ...again.failed.keys()])].filter((code) => !HONEST.includes(code))
  return [
    ...(twice.length > 0 ? [`started twice: ${twice.slice(0, 10).join(', ')} (${twice.length} in all)`] : []),
    ...(isTimed && share < SUCCESS_MIN
      ? [`of ${again.ok + failuresIn(again)} idempotent calls ${failuresIn(again)} failed: ${codesOf(again.failed)}`]
      : []),
    ...(odd.length > 0 ? [`calls ended with ${odd.join(', ')}`] : []),
    ...(once.ok === 0 ? ['no call was answered: nothing was at stake'] : []),
    ...(isTimed ? callers.late : []),
  ]
}

export function summaryOf({ tallies: { once, again } }: Callers): string {
  const told = (name: string, { ok, failed }: typeof once) =>
    `${ok} ${name} answered${failed.size === 0 ? '' : ` (others: ${codesOf(failed)})`}`
  return `${told('calls', once)}, ${told('idempotent ones', again)}`
}

function codesOf(failed: ReadonlyMap<string, number>): string {
  return [...failed].map(([code, count]) => `${count} ${code}`).join(', ')
}
