/** THREATS 3: all nodes killed at once, with a long ledger, and started again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import { until } from '../bench/children.ts'
import { type Acknowledged, NAMESPACE } from './deployers.ts'
import type { Fault, FaultRun, Verdict } from './fault.ts'
import { agree, diskProblems, examine } from './invariants.ts'
import { FaultUniverse } from './universe.ts'

const ENTRIES = 10_000
const QUICK_ENTRIES = 200
const FUNCTIONS = 8
const WRITERS = 32
const REST_MS = 1000
/** From the death of all until all are ready, agree, and take a write that is committed. */
const COLD_MS_MAX = 10_000
const READY_MS = 120_000
const LOOK_MS = 50

export const coldStart: Fault = {
  name: 'cold-start',
  does: `kill -9 of all nodes at once, with ${ENTRIES} entries in the ledger and more being written; all start again on their disks`,
  holds: `all are ready, agree and commit within ${COLD_MS_MAX / 1000} s; everything that was acknowledged is there, and every ledger and disk is clean`,
  isQuick: false,
  strikes: 5,
  run,
}

async function run({ nodes: count, strikes, dir, cleanup, settleMs, isTimed, say }: FaultRun): Promise<Verdict> {
  const universe = await FaultUniverse.start(count, dir, cleanup, { everything: true })
  const writer = new Writer(universe)
  await writer.found()
  await writer.write(isTimed ? ENTRIES : QUICK_ENTRIES)
  say(`${count} nodes are ready, ${writer.acknowledged.length} entries written`)
  const problems: string[] = []
  let worstMs = 0
  for (let strike = 0; strike < strikes && problems.length === 0; strike += 1) {
    cleanup.signal.throwIfAborted()
    const writing = writer.write(Infinity)
    await sleep(REST_MS)
    await Promise.all(universe.nodes.map((node) => node.kill()))
    writer.stop()
    await writing
    const startedAt = performance.now()
    await universe.heal()
    problems.push(...universe.troubles(), ...(await agree(universe.nodes, settleMs)).problems)
    problems.push(...(await writer.commits(startedAt + READY_MS)))
    const tookMs = Math.round(performance.now() - startedAt)
    worstMs = Math.max(worstMs, tookMs)
    if (isTimed && tookMs > COLD_MS_MAX)
      problems.push(`after strike ${strike + 1} it took ${tookMs} ms until all were ready, agreed and committed`)
    problems.push(...(await examine(universe.nodes, writer.acknowledged)))
    say(`strike ${strike + 1}, ${writer.acknowledged.length} entries acknowledged, back after ${tookMs} ms`)
  }
  await universe.stop()
  problems.push(...universe.troubles(), ...(await universe.orphans()))
  for (const node of universe.nodes) problems.push(...(await diskProblems(node)))
  return { summary: `${writer.acknowledged.length} entries acknowledged; back within ${worstMs} ms`, problems }
}

/** Points aliases now to one version, now to the other: an entry each, and no build. */
class Writer {
  readonly acknowledged: Acknowledged[] = []
  readonly #universe: FaultUniverse
  #isStopped = false
  #next = 0

  constructor(universe: FaultUniverse) {
    this.#universe = universe
  }

  async found(): Promise<void> {
    const [node] = this.#universe.ready()
    for (let at = 0; at < FUNCTIONS; at += 1)
      for (const version of [1, 2]) {
        const source = `export default () => ${version}`
        const asked = { namespace: NAMESPACE, name: `p${at}`, source, language: 'javascript', ack: 'accepted' } as const
        await until(`p${at} is deployed`, LOOK_MS, READY_MS, async () => node?.client?.deploy(asked))
      }
  }

  /** Resolves after so many more entries, or `stop()`. */
  async write(count: number): Promise<void> {
    this.#isStopped = false
    const end = this.#next + count
    const one = async () => {
      while (!this.#isStopped && this.#next < end) await this.#point((this.#next += 1))
    }
    await Promise.all(Array.from({ length: WRITERS }, one))
  }

  stop(): void {
    this.#isStopped = true
  }

  /** On every node; what could not be committed until `end` on which. */
  async commits(end: number): Promise<string[]> {
    const commit = async (node: FaultUniverse['nodes'][number]) => {
      const at = this.#next++
      for (;;) {
        const code = await node.client?.functions.point(nameOf(at), 'live', versionOf(at), { ack: 'committed' }).then(
          () => undefined,
          (error: unknown) => OsirisError.from(error, 'Cannot point').code,
        )
        if (code === undefined && node.client !== undefined) return []
        if (performance.now() > end) return [`${node.name} commits nothing: ${code ?? 'not ready'}`]
        await sleep(LOOK_MS)
      }
    }
    return (await Promise.all(this.#universe.nodes.map(commit))).flat()
  }

  /** Each function is written to by one node after the other. */
  async #point(at: number): Promise<void> {
    const nodes = this.#universe.ready()
    const node = nodes[at % nodes.length]
    if (node?.client === undefined) return sleep(LOOK_MS)
    const what = { name: nameOf(at), source: '', ack: 'accepted', node: node.name, strike: 0 } as const
    await node.client.functions.point(what.name, `a${at % 7}`, versionOf(at), { ack: 'accepted' }).then(
      ({ receipt }) => void this.acknowledged.push({ ...what, version: null, entry: receipt }),
      () => sleep(LOOK_MS),
    )
  }
}

const nameOf = (at: number) => `${NAMESPACE}/p${at % FUNCTIONS}`
/** Never what the alias meant before. */
const versionOf = (at: number) => `v${1 + (Math.floor(at / (FUNCTIONS * 7)) % 2)}`
