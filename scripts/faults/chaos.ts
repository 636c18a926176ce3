/** THREATS 3, combined: everything that can be done to one node or to the network, at once and in a row that a seed repeats. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Play, underNetwork } from './network.ts'
import type { FaultNode } from './node.ts'
import { alone, bridge, halves, oneWay, ring } from './wires/shapes.ts'

const LASTS_MS = 40_000
const QUICK_MS = 8000
/** From one trouble to the next; several overlap. */
const NEXT_MS_MAX = 3000
/** Of one trouble of the network. */
const BAD_MS_MAX = 8000
const AWAY_MS_MAX = 2000
/** A call through a node that is frozen ends when it goes on: less than calls may take. */
const FROZEN_MS_MAX = 3500
const SHAPES = [halves, alone, oneWay, bridge, ring]

/** Does it, and undoes it. */
type Trouble = (play: Play) => Promise<void>

/** By weight. */
const TROUBLES: readonly [weight: number, trouble: Trouble][] = [
  [3, killed],
  [2, frozen],
  [2, workless],
  [3, partitioned],
  [1, (play) => weather(play, { loss: 0.02 + play.dice.int(20) / 100 })],
  [1, (play) => weather(play, { delayMs: [10, 20 + play.dice.int(300)] })],
]

export const chaos = underNetwork({
  name: 'chaos',
  does: `for ${LASTS_MS / 1000} s at a time nodes are killed and frozen, their workers killed, and the network is cut, lossy or late, several at once, while functions are called and deployed`,
  holds:
    'nothing acknowledged is lost, no ledger is forked, no call is started twice, every call ends in time; all agree and answer calls within 10 s of the end',
  isEverywhere: true,
  strikes: 10,
  lastsMs: LASTS_MS,
  quickMs: QUICK_MS,
  async play(play) {
    const end = performance.now() + play.lastsMs
    const running: Promise<void>[] = []
    while (performance.now() < end) {
      running.push(play.dice.weighted(TROUBLES)(play))
      await sleep(play.dice.int(NEXT_MS_MAX))
    }
    await Promise.all(running)
    await play.universe.heal()
    return []
  },
})

/** One that nothing else is done to; most must go on, or nothing is at stake. */
function victim({ universe, dice, away }: Play): FaultNode | undefined {
  const ready = universe.ready().filter((node) => !away.has(node))
  return ready.length * 2 > universe.nodes.length + 1 ? dice.pick(ready) : undefined
}

async function killed(play: Play): Promise<void> {
  const awayMs = play.dice.int(AWAY_MS_MAX)
  const node = victim(play)
  await node?.kill()
  await sleep(awayMs)
  if (node !== undefined && !node.isUp) play.universe.revive(node)
}

async function frozen(play: Play): Promise<void> {
  const frozenMs = play.dice.int(FROZEN_MS_MAX)
  const node = victim(play)
  if (node === undefined) return
  play.away.add(node)
  node.signalAll('SIGSTOP')
  await sleep(frozenMs)
  node.signalAll('SIGCONT')
  play.away.delete(node)
}

async function workless(play: Play): Promise<void> {
  victim(play)?.signalWorkers('SIGKILL')
}

async function partitioned(play: Play): Promise<void> {
  const { dice, universe, lab } = play
  const badMs = dice.int(BAD_MS_MAX)
  const { cut } = (dice.pick(SHAPES) ?? halves)(universe.nodes.length, (count) => dice.int(count))
  await lab.set(cut, { isCut: true })
  await sleep(badMs)
  // Whatever else was done to these links ends with it.
  await lab.set(cut, {})
}

async function weather({ lab, dice }: Play, what: Parameters<Play['lab']['set']>[1]): Promise<void> {
  const badMs = dice.int(BAD_MS_MAX)
  await lab.set(lab.everywhere(), what)
  await sleep(badMs)
  await lab.clear()
}
