/** THREATS 3: members that come and go. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { percentile } from '../bench/stats.ts'
import { Callers, FUNCTIONS } from './callers.ts'
import { deployCalled, judge, summaryOf } from './calls.ts'
import { Deployers, NAMESPACE } from './deployers.ts'
import { Dice } from './dice.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import { agree, examine } from './invariants.ts'
import type { FaultNode } from './node.ts'
import { Sink } from './sink.ts'
import { FaultUniverse } from './universe.ts'

const EVERY_MS = 2000
const GUESTS_MAX = 3
const CALLERS = 8
const PAUSE_MS = 200
const DEPLOY_PAUSE_MS = 2000
/** From the start of its process until a call through it is answered. */
const SERVES_MS_MAX = 5000
const SERVES_MS_END = 60_000
const LOOK_MS = 50
/** With a ledger of its own to fill, and without. */
const ROLES: readonly (readonly Role[])[] = [
  ['router', 'catalog', 'builder', 'executor'],
  ['router', 'executor'],
]

export const churn: Fault = {
  name: 'churn',
  does: `a node joins every ${EVERY_MS / 1000} s and leaves some seconds later, half of them in good order and half by kill -9, while functions are called through all and deployed through those that stay`,
  holds: `a call through one that joined is answered within ${SERVES_MS_MAX / 1000} s of its start; nothing acknowledged is lost, no call is started twice, every call ends in time; all agree within 10 s of the end`,
  isQuick: false,
  strikes: 60,
  run,
}

async function run({ nodes: count, seed, strikes, dir, cleanup, settleMs, isTimed, say }: FaultRun): Promise<Verdict> {
  const sink = await Sink.start(cleanup)
  const universe = await FaultUniverse.start(count, dir, cleanup, { everything: true })
  const hosts = [...universe.nodes]
  await deployCalled(universe, sink)
  say(`${count} nodes are ready`)
  const dice = new Dice(seed, 'churn')
  const callers = new Callers({ count: CALLERS, seed, pauseMs: PAUSE_MS, nodes: () => universe.ready() })
  const deployers = new Deployers({ count: 1, seed, pauseMs: DEPLOY_PAUSE_MS, ready: () => hosts, strikes: () => servesMs.length })
  cleanup.add(async () => {
    await Promise.all([callers.pause(), deployers.pause()])
  })
  const servesMs: number[] = []
  const problems: string[] = []
  const leaving: Promise<void>[] = []
  const guests: FaultNode[] = []
  callers.start()
  deployers.start()
  for (let strike = 0; strike < strikes && problems.length === 0; strike += 1) {
    cleanup.signal.throwIfAborted()
    const startedAt = performance.now()
    const guest = await universe.add(`guest-${strike + 1}`, ROLES[strike % ROLES.length] ?? [])
    const readyMs = performance.now() - startedAt
    const served = await serves(guest, startedAt)
    servesMs.push(served.ms)
    say(`${guest.name} was ready after ${Math.round(readyMs)} ms and answered after ${Math.round(served.ms)} ms${served.told}`)
    guests.push(guest)
    if (guests.length > GUESTS_MAX) leaving.push(leave(universe, guests.splice(dice.int(guests.length), 1)[0], dice.chance(0.5)))
    problems.push(...universe.troubles())
    await sleep(Math.max(0, startedAt + EVERY_MS - performance.now()))
  }
  const worstMs = Math.round(percentile(servesMs, 99))
  if (worstMs > (isTimed ? SERVES_MS_MAX : SERVES_MS_END - 1))
    problems.push(`those that joined took up to ${worstMs} ms (p99) to answer a call`)
  await deployers.pause()
  await Promise.all([...leaving, ...guests.map((guest) => leave(universe, guest, false))])
  const { tookMs, problems: apart } = await agree(universe.nodes, settleMs)
  await callers.pause()
  problems.push(...apart, ...(await examine(universe.nodes, deployers.acknowledged)), ...judge(callers, sink, false))
  if (isTimed) problems.push(...callers.late)
  await universe.stop()
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  const deploys = `${deployers.acknowledged.length} deploys acknowledged`
  return {
    summary: `${servesMs.length} joined and left, each answered within ${worstMs} ms (p99) of its start; ${summaryOf(callers)}; ${deploys}; agreed within ${tookMs} ms`,
    problems,
  }
}

async function leave(universe: FaultUniverse, guest: FaultNode | undefined, isKilled: boolean): Promise<void> {
  if (guest !== undefined) await universe.remove(guest, isKilled ? 'kill' : 'stop')
}

/** How long until a call through it was answered, and what came instead before. */
async function serves({ client }: FaultNode, startedAt: number): Promise<{ ms: number; told: string }> {
  const instead = new Map<string, number>()
  const isAnswered = () =>
    client?.call(`${NAMESPACE}/${FUNCTIONS[1]}`, 'guest').then(
      () => true,
      (error: unknown) => {
        const { message } = OsirisError.from(error, 'Cannot call')
        instead.set(message, (instead.get(message) ?? 0) + 1)
        return false
      },
    )
  while (!(await isAnswered()) && performance.now() - startedAt < SERVES_MS_END) await sleep(LOOK_MS)
  return { ms: performance.now() - startedAt, told: [...instead].map(([message, times]) => `; ${times} times: ${message}`).join('') }
}
