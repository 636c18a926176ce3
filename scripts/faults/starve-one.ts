/** THREATS 3, gray failure by a quota of the kernel: an executor that is suddenly given a tenth of a processor. */
import { setTimeout as sleep } from 'node:timers/promises'
import { NAMESPACE } from './deployers.ts'
import { Dice } from './dice.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import { p99 } from './gray.ts'
import type { FaultNode } from './node.ts'
import { HERE } from './place.ts'
import { noQuota, Quota } from './quota.ts'
import { FaultUniverse } from './universe.ts'

const CALLERS = 6
const PAUSE_MS = 60
const TIMEOUT_MS = 5000
/** What a call computes: enough that a tenth of a processor is not enough for all. */
const BUSY_MS = 5
const SHARE = 0.1
/** Of calls before and after; between them the load has so long to move (THREATS 3). */
const LOOK_MS = 10_000
const MOVED_MS = 10_000
const SHARE_MAX = 0.1
const P99_FACTOR_MAX = 2
const SUCCESS_MIN = 0.999

interface Sample {
  /** Who ran it; nothing when it was not answered. */
  node: string | undefined
  tookMs: number
}

export const starveOne: Fault = {
  name: 'starve-one',
  does: `the executor that runs most calls of a function gets ${SHARE} of a processor, by a quota of the kernel over the node and its workers; calls come through the others`,
  holds: `within ${MOVED_MS / 1000} s its share of the calls falls to ${SHARE_MAX * 100} % at most, and the slowest hundredth takes at most ${P99_FACTOR_MAX} times what it took; ${SUCCESS_MIN * 100} % of the calls are answered`,
  isQuick: false,
  strikes: 5,
  unable: noQuota,
  run,
}

async function run({ nodes: count, seed, strikes, dir, cleanup, isTimed, say }: FaultRun): Promise<Verdict> {
  const quotas = Array.from({ length: count }, (_, node) => Quota.open(`node-${node + 1}`, cleanup))
  const places = quotas.map(({ inside }) => ({ ...HERE, inside }))
  const universe = await FaultUniverse.start(count, dir, cleanup, { everything: true, places })
  await deployBusy(universe)
  say(`${count} nodes are ready, each in a control group`)
  const dice = new Dice(seed, 'starve-one')
  const problems: string[] = []
  const told: string[] = []
  for (let strike = 0; strike < strikes && problems.length === 0; strike += 1) {
    cleanup.signal.throwIfAborted()
    await calls(universe.nodes, dice, LOOK_MS / 2)
    const most = mostOf(await calls(universe.nodes, dice, LOOK_MS / 2))
    const at = universe.nodes.findIndex(({ name }) => name === most)
    const others = universe.nodes.filter((_, other) => other !== at)
    const before = await calls(others, dice, LOOK_MS)
    quotas[at]?.set(SHARE)
    const moving = await calls(others, dice, MOVED_MS)
    const after = await calls(others, dice, LOOK_MS)
    quotas[at]?.set(undefined)
    const text = `${most} ran ${percent(shareOf(before, most))} of the calls, then ${percent(shareOf(after, most))}; p99 ${slowest(before)} ms, then ${slowest(after)} ms; ${answered([...moving, ...after])}`
    say(text)
    told.push(text)
    const isSlow = slowest(after) > P99_FACTOR_MAX * slowest(before)
    const isLost = [...moving, ...after].filter(({ node }) => node !== undefined).length < SUCCESS_MIN * (moving.length + after.length)
    if (isTimed && (shareOf(after, most) > SHARE_MAX || isSlow || isLost)) problems.push(text)
    problems.push(...universe.troubles())
  }
  await universe.stop()
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  return { summary: told.join('; '), problems }
}

async function deployBusy(universe: FaultUniverse): Promise<void> {
  const source = `export default () => { const end = Date.now() + ${BUSY_MS}; while (Date.now() < end); return end }`
  const config = { access: 'public' as const, idempotent: true, hedge: { after: '100ms' }, execution: { timeout: `${TIMEOUT_MS}ms` } }
  const asked = { namespace: NAMESPACE, name: 'busy', source, language: 'javascript', ack: 'committed', config } as const
  await universe.ready()[0]?.client?.deploy(asked)
}

/** Through these nodes, for so long. */
async function calls(through: readonly FaultNode[], dice: Dice, forMs: number): Promise<Sample[]> {
  const samples: Sample[] = []
  const end = performance.now() + forMs
  const caller = async () => {
    while (performance.now() < end) {
      samples.push(await call(dice.pick(through) as FaultNode))
      await sleep(dice.int(PAUSE_MS))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return samples
}

async function call({ url }: FaultNode): Promise<Sample> {
  const startedAt = performance.now()
  const asked = { method: 'POST', body: '[]', headers: { 'content-type': 'application/json' }, signal: AbortSignal.timeout(2 * TIMEOUT_MS) }
  const node = await fetch(`${url}/v1/call/${NAMESPACE}/busy`, asked).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok ? (response.headers.get('osiris-node') ?? undefined) : undefined
    },
    () => undefined,
  )
  return { node, tookMs: performance.now() - startedAt }
}

function mostOf(samples: readonly Sample[]): string {
  const counts = Map.groupBy(samples, ({ node }) => node ?? '')
  return [...counts].toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0] ?? ''
}

function shareOf(samples: readonly Sample[], name: string): number {
  return samples.filter(({ node }) => node === name).length / Math.max(1, samples.length)
}

function slowest(samples: readonly Sample[]): number {
  return Math.round(p99(samples.map(({ tookMs }) => tookMs)))
}

function answered(samples: readonly Sample[]): string {
  return `${samples.filter(({ node }) => node !== undefined).length} of ${samples.length} answered`
}

const percent = (share: number) => `${Math.round(share * 100)} %`
