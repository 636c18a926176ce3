/** THREATS 3: partitions of every kind. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import type { Fault } from './fault.ts'
import { NAMESPACE } from './deployers.ts'
import { type Play, shareAnswered, underNetwork } from './network.ts'
import type { FaultNode } from './node.ts'
import { alone, bridge, halves, oneWay, ring, type Shape } from './wires/shapes.ts'

/** Longer than beats take to run out (4.5 s): the sides have given each other up. */
const LASTS_MS = 60_000
const QUICK_MS = 7000
const ANSWERED_MIN = 0.99
/** How long a write is to wait for its majority: the side that has none says so within a second. */
const COMMIT_MS = { majority: 4000, minority: 500 }
const REFUSED_MS_MAX = 1000

function partition(init: { name: string; does: string; holds: string; isQuick?: boolean; isServed: boolean; shape: ShapeOf }): Fault {
  const { isServed, shape, ...told } = init
  return underNetwork({
    ...told,
    isEverywhere: true,
    strikes: 3,
    lastsMs: LASTS_MS,
    quickMs: QUICK_MS,
    play: (play) => cut(play, shape, isServed),
  })
}

type ShapeOf = (count: number, int: (count: number) => number) => Shape

async function cut(play: Play, shapeOf: ShapeOf, isServed: boolean): Promise<string[]> {
  const { lab, universe, callers, dice, isTimed, lastsMs, strike } = play
  const { cut: directions, majority, minority } = shapeOf(universe.nodes.length, (count) => dice.int(count))
  await lab.set(directions, { isCut: true })
  const startedAt = performance.now()
  const problems: string[] = []
  for (const when of [lastsMs / 6, (lastsMs * 5) / 6]) {
    await sleep(Math.max(0, startedAt + when - performance.now()))
    const asked = [...majority, ...minority].map((at) =>
      commit(universe.nodes[at] as FaultNode, `s${strike}`, minority.includes(at), isTimed),
    )
    problems.push(...(await Promise.all(asked)).flat())
  }
  await sleep(Math.max(0, startedAt + lastsMs - performance.now()))
  for (const side of isServed ? [majority, minority] : []) {
    const names = side.map((at) => universe.nodes[at]?.name ?? '')
    const { share, told } = shareAnswered(callers, names)
    play.say(told)
    if (isTimed && share < ANSWERED_MIN) problems.push(told)
  }
  return problems
}

/** Asks one node for a write that is committed: a majority must do it, a minority must say that it did not, and soon. */
async function commit(node: FaultNode, what: string, isMinority: boolean, isTimed: boolean): Promise<string[]> {
  const name = `cut-${node.name}`
  const source = `export default () => ${JSON.stringify(`${what} ${performance.now()}`)}`
  const timeoutMs = isMinority ? COMMIT_MS.minority : COMMIT_MS.majority
  const startedAt = performance.now()
  const code = await node.client?.deploy({ namespace: NAMESPACE, name, source, language: 'javascript', ack: 'committed', timeoutMs }).then(
    () => 'committed',
    (error: unknown) => OsirisError.from(error, 'Cannot deploy').code,
  )
  const tookMs = Math.round(performance.now() - startedAt)
  if (!isMinority)
    return code === 'committed' ? [] : [`${node.name} is with the majority and answered a write with ${code} after ${tookMs} ms`]
  if (code !== 'not_committed') return [`${node.name} is cut off from the majority and answered a write with ${code}`]
  return isTimed && tookMs > REFUSED_MS_MAX ? [`${node.name} is cut off from the majority and took ${tookMs} ms to say so`] : []
}

const HEALS =
  'all agree and answer calls within 10 s of the end; nothing acknowledged is lost, no call is started twice, every call ends in time'

export const PARTITIONS: readonly Fault[] = [
  partition({
    name: 'partition-halves',
    does: `a majority and the others hear nothing of each other for ${LASTS_MS / 1000} s, while functions are called and deployed on both sides`,
    holds: `the majority commits, the others answer not_committed within 1 s; 99 % of the calls on either side are answered; ${HEALS}`,
    isQuick: true,
    isServed: true,
    shape: halves,
  }),
  partition({
    name: 'partition-alone',
    does: `one node hears nobody and nobody hears it for ${LASTS_MS / 1000} s`,
    holds: `it answers writes that ask for a majority with not_committed within 1 s, and 99 % of its calls; the others commit; ${HEALS}`,
    isServed: true,
    shape: alone,
  }),
  partition({
    name: 'partition-one-way',
    does: `what one node sends another is lost for ${LASTS_MS / 1000} s; what the other sends arrives`,
    holds: HEALS,
    isServed: false,
    shape: oneWay,
  }),
  partition({
    name: 'partition-bridge',
    does: `two sides hear only one node in common for ${LASTS_MS / 1000} s`,
    holds: HEALS,
    isServed: false,
    shape: bridge,
  }),
  partition({
    name: 'partition-ring',
    does: `each node hears two others and is heard by them, in a ring, for ${LASTS_MS / 1000} s: everybody sees a majority, and no two the same one`,
    holds: HEALS,
    isServed: false,
    shape: ring,
  }),
]
