/** THREATS 3: links that lose frames, or take long, or are narrow. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { NAMESPACE } from './deployers.ts'
import type { Fault } from './fault.ts'
import { type Play, shareAnswered, underNetwork } from './network.ts'
import type { FaultNode } from './node.ts'

const LASTS_MS = 30_000
const QUICK_MS = 5000
const DEADLINE_MS = 10_000
/** Two of them are 10 MB on their way to each holder. */
const LARGE_BYTES = 5_000_000
const HEAD_MS_MAX = 5000
const HEAD_EVERY_MS = 2000
const LOOK_MS = 50

const QUIETLY = 'no call is started twice, every call ends in time, all agree and answer calls within 10 s of the end'

function lossy(percent: number, answeredMin: number): Fault {
  return underNetwork({
    name: `loss-${percent}`,
    does: `each frame between any two nodes is lost with a chance of ${percent} % for ${LASTS_MS / 1000} s; TCP sends what was lost again, later and later`,
    holds: `${answeredMin * 100} % of all calls are answered within ${DEADLINE_MS / 1000} s; ${QUIETLY}`,
    timeoutMs: DEADLINE_MS,
    strikes: 2,
    lastsMs: LASTS_MS,
    async play({ lab, universe, callers, isTimed, lastsMs, say }) {
      await lab.set(lab.everywhere(), { loss: percent / 100 })
      await sleep(lastsMs)
      const { share, told } = shareAnswered(callers, universe.nodes.map(nameOf))
      say(told)
      return isTimed && share < answeredMin ? [told] : []
    },
  })
}

function late(name: string, min: number, max: number, isQuick: boolean): Fault {
  const factor = 4
  const boundMs = factor * (min + max)
  return underNetwork({
    name,
    does: `each frame between any two nodes takes ${min === max ? '' : `${min} to `}${max} ms for ${LASTS_MS / 1000} s`,
    holds: `the slowest hundredth of the answers takes at most ${factor} round trips (${boundMs} ms) more than before; ${QUIETLY}`,
    isQuick,
    timeoutMs: DEADLINE_MS,
    strikes: 2,
    lastsMs: LASTS_MS,
    quickMs: QUICK_MS,
    async play({ lab, callers, isTimed, lastsMs, quietMs, say }) {
      await lab.set(lab.everywhere(), { delayMs: [min, max] })
      await sleep(lastsMs)
      const p99 = callers.p99()
      const told = `p99 of ${callers.tookMs.length} answers is ${Math.round(p99)} ms; it was ${Math.round(quietMs)} ms, and a round trip takes ${min + max} ms`
      say(told)
      return isTimed && p99 > boundMs + quietMs ? [told] : []
    },
  })
}

async function narrow({ lab, universe, dice, isTimed, lastsMs, strike, say }: Play): Promise<string[]> {
  await lab.set(lab.everywhere(), { bitsPerSecond: 256_000 })
  const large = dice.pick(universe.nodes) as FaultNode
  for (const part of ['a', 'b']) {
    const source = `export default () => ${JSON.stringify(randomBytes(LARGE_BYTES * 0.75).toString('base64'))}.length`
    await large.client?.deploy({ namespace: NAMESPACE, name: `large-${part}`, source, language: 'javascript', ack: 'accepted' })
  }
  const end = performance.now() + lastsMs
  const tookMs: number[] = []
  while (performance.now() < end) {
    tookMs.push(await head(dice.pick(universe.nodes) as FaultNode, universe.nodes, `s${strike}-${tookMs.length}`))
    await sleep(HEAD_EVERY_MS)
  }
  const told = `of ${tookMs.length} heads the slowest took ${Math.round(Math.max(...tookMs))} ms to all, while ${large.name} sent two artifacts`
  say(told)
  return isTimed && Math.max(...tookMs) > HEAD_MS_MAX ? [told] : []
}

/** How long a version takes from one node's disk to everybody's view; the function's deadline when it takes longer. */
async function head(writer: FaultNode, nodes: readonly FaultNode[], what: string): Promise<number> {
  const asked = { namespace: NAMESPACE, name: 'head', source: `export default () => ${JSON.stringify(what)}` } as const
  const deployed = await writer.client?.deploy({ ...asked, language: 'javascript', ack: 'accepted' })
  const startedAt = performance.now()
  const isThere = async ({ client }: FaultNode) =>
    client?.functions.versions(`${NAMESPACE}/head`).then(
      (versions) => versions.some(({ version }) => version === deployed?.version),
      () => false,
    )
  for (const node of nodes) while (!(await isThere(node)) && performance.now() - startedAt < 4 * HEAD_MS_MAX) await sleep(LOOK_MS)
  return performance.now() - startedAt
}

const nameOf = ({ name }: FaultNode) => name

export const WEATHER: readonly Fault[] = [
  lossy(5, 0.999),
  lossy(10, 0.995),
  lossy(30, 0.97),
  late('late-100', 50, 150, true),
  late('late-500', 500, 500, false),
  underNetwork({
    name: 'narrow',
    does: `each link passes 256 kbit a second for ${LASTS_MS / 1000} s, while a node sends its holders artifacts of 10 MB`,
    holds: `what is deployed meanwhile is in the view of every node within ${HEAD_MS_MAX / 1000} s; ${QUIETLY}`,
    timeoutMs: DEADLINE_MS,
    strikes: 2,
    lastsMs: LASTS_MS,
    play: narrow,
  }),
]
