/** Faults under which functions are called: what they have in common. */
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../bench/children.ts'
import { type Callers, failuresIn, FUNCTIONS, TIMEOUT_MS } from './callers.ts'
import { NAMESPACE } from './deployers.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import { Sink } from './sink.ts'
import { type StrikeInit, Strikes } from './strikes.ts'
import { FaultUniverse } from './universe.ts'

const READY_MS = 60_000
const LOOK_MS = 20
/** Codes a call may end with while nodes are in trouble; `quota_exceeded` says that the namespace's share of a processor that others want is used up. */
export const HONEST = ['unavailable', 'outcome_unknown', 'deadline_exceeded', 'overloaded', 'quota_exceeded', 'worker_crashed']
const SUCCESS_MIN = 0.999

export interface CallsFault extends StrikeInit {
  name: string
  does: string
  holds: string
  isQuick?: boolean
}

interface Settings {
  timeoutMs?: number
  scale?: { min: number }
}

/** Strikes one node after the other while calls run: none is lost, late, or started twice. */
export function underCalls(fault: CallsFault): Fault {
  const { name, does, holds, isQuick = false } = fault
  return { name, does, holds, isQuick, countsCalls: true, run: (init) => run(fault, init) }
}

async function run(fault: CallsFault, init: FaultRun): Promise<Verdict> {
  const sink = await Sink.start(init.cleanup)
  const universe = await FaultUniverse.start(init.nodes, init.dir, init.cleanup, { everything: true })
  const strikes = new Strikes({ fault, run: init, universe, sink, isTimed: init.isTimed && init.calls === undefined })
  const { callers } = strikes
  init.cleanup.add(() => callers.pause())
  await deployCalled(universe, sink)
  init.say(`${init.nodes} nodes are ready`)
  const isEnough = (struck: number) => (init.calls === undefined ? struck >= init.strikes : callers.countedCalls() >= init.calls)
  const problems: string[] = []
  callers.start()
  for (let struck = 0; !isEnough(struck) && problems.length === 0; struck += 1) {
    problems.push(...(await strikes.next(struck + 1)), ...universe.troubles())
    if ((struck + 1) % init.lookEvery === 0)
      init.say(`${struck + 1} strikes, ${callers.total()} calls, ${callers.countedCalls()} of them counted`)
  }
  await callers.pause()
  problems.push(...judge(callers, sink, strikes.isTimed), ...strikes.judge())
  await universe.stop()
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  const twice = `${sink.twice().filter(isOnce).length} of ${callers.countedCalls()} that must not be were started twice`
  return { summary: [summaryOf(callers), strikes.told(), twice].join('; '), problems }
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
    const asked = { namespace: NAMESPACE, name, source, language: 'javascript', ack: 'committed', config } as const
    await until(`${name} is deployed`, LOOK_MS, READY_MS, async () => first?.client?.deploy(asked))
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
const startsIn = (sink: Sink) => [...sink.starts.keys()].filter(isOnce).length

/** What did not hold of all calls there were. */
export function judge(callers: Callers, sink: Sink, isTimed: boolean): string[] {
  const { once, again } = callers.tallies
  const twice = sink.twice().filter(isOnce)
  const share = again.ok / Math.max(1, again.ok + failuresIn(again))
  const odd = [...new Set([...once.failed.keys(), ...again.failed.keys()])].filter((code) => !HONEST.includes(code))
  return [
    ...(twice.length > 0 ? [`started twice: ${twice.slice(0, 10).join(', ')} (${twice.length} in all)`] : []),
    ...(isTimed && share < SUCCESS_MIN
      ? [`of ${again.ok + failuresIn(again)} idempotent calls ${failuresIn(again)} failed: ${codesOf(again.failed)}`, ...callers.losses]
      : []),
    ...(odd.length > 0 ? [`calls ended with ${odd.map((code) => `${code} (${callers.sentences.get(code)})`).join(', ')}`] : []),
    ...(startsIn(sink) < once.ok ? [`${once.ok} calls were answered and ${startsIn(sink)} were started: starts are not counted`] : []),
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
