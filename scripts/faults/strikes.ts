/** One node struck after the other while calls run through the rest, and what is measured of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Callers } from './callers.ts'
import { Dice } from './dice.ts'
import type { FaultRun } from './fault.ts'
import { judgeGray, type Seen, toldGray } from './gray.ts'
import type { FaultNode } from './node.ts'
import { Pulse } from './pulse.ts'
import type { Sink } from './sink.ts'
import type { FaultUniverse } from './universe.ts'

const CALLERS = 16
const QUIET_MS = 1500
/** Before a fault whose calls are compared with those of quiet times. */
const QUIET_LONG_MS = 4000
/** Where calls are counted and not timed, callers hardly rest. */
const PAUSE_COUNTING_MS = 4
const READY_MS = 60_000
const LOOK_MS = 20
/** BARS: from the death of one until every other node has answered a call that began after it. */
const FIRST_MS_MAX = 2000

export interface Struck {
  /** Callers go elsewhere meanwhile; those it answers go on. */
  isAsked: boolean
  /** What did not hold of the strike itself. */
  problems?: string[]
  /** Ends what was done to it; resolves when it may be asked again. */
  heal(): Promise<void>
}

export interface StrikeInit {
  /** How long the fault lasts. */
  lastsMs: number
  /** From so long after its beginning the struck node must have lost its share, and calls take at most twice what they took before. Absent: it need not run any. */
  shunnedAfterMs?: number
  /** `at`: how many there were before. */
  strike(node: FaultNode, universe: FaultUniverse, sink: Sink, at: number): Promise<Struck>
}

export class Strikes {
  readonly callers: Callers
  /** Whether it counts how soon calls are answered. */
  readonly isTimed: boolean
  readonly #fault: StrikeInit
  readonly #universe: FaultUniverse
  readonly #sink: Sink
  readonly #signal: AbortSignal
  readonly #dice: Dice
  readonly #gray: Seen = { quietMs: [], lateMs: [], shares: [] }
  #away: FaultNode | undefined
  readonly #stoodStillAt = new Map<FaultNode, number>()
  #slowest = { ms: 0, stalledMs: 0 }

  constructor(init: { fault: StrikeInit & { name: string }; run: FaultRun; universe: FaultUniverse; sink: Sink; isTimed: boolean }) {
    const { fault, run, universe, sink, isTimed } = init
    this.#fault = fault
    this.#universe = universe
    this.#sink = sink
    this.#signal = run.cleanup.signal
    this.#dice = new Dice(run.seed, fault.name)
    this.isTimed = isTimed
    this.callers = new Callers({
      count: CALLERS,
      seed: run.seed,
      ...(run.calls === undefined ? {} : { pauseMs: PAUSE_COUNTING_MS }),
      nodes: () => universe.ready().filter((node) => node !== this.#away),
      stoodStillAt: (node) => this.#stoodStillAt.get(node),
    })
  }

  /** What did not hold. */
  async next(number: number): Promise<string[]> {
    const { shunnedAfterMs, lastsMs } = this.#fault
    this.#mark()
    await sleep(shunnedAfterMs === undefined ? QUIET_MS : QUIET_LONG_MS)
    this.#signal.throwIfAborted()
    this.#gray.quietMs.push(...this.callers.tookMs)
    const node = this.#dice.pick(this.#universe.ready()) as FaultNode
    const others = this.#universe.ready().filter((each) => each !== node)
    const pulse = new Pulse(others)
    const markedAt = this.#mark()
    const struck = await this.#fault.strike(node, this.#universe, this.#sink, number - 1)
    if (!struck.isAsked) {
      this.#away = node
      this.#stoodStillAt.set(node, performance.now())
    }
    const slow = await this.#firstAnswers(others, markedAt, pulse)
    await pulse.stop()
    const restMs = (untilMs: number) => Math.max(0, untilMs - (performance.now() - markedAt))
    if (shunnedAfterMs !== undefined) {
      await sleep(restMs(shunnedAfterMs))
      this.#mark()
    }
    await sleep(restMs(lastsMs))
    if (shunnedAfterMs !== undefined) this.#look(node)
    await struck.heal()
    this.#away = undefined
    return [...(struck.problems ?? []), ...slow.map((each) => `after strike ${number} (${node.name}) ${each}`)]
  }

  /** What did not hold over all strikes. */
  judge(): string[] {
    return this.isTimed && this.#fault.shunnedAfterMs !== undefined ? judgeGray(this.#gray) : []
  }

  told(): string {
    const { ms, stalledMs } = this.#slowest
    const first = `every other node answered within ${Math.round(ms)} ms (${Math.round(stalledMs)} of them without a processor)`
    return this.#fault.shunnedAfterMs === undefined ? first : `${first}; ${toldGray(this.#gray)}`
  }

  /** What is measured begins anew. */
  #mark(): number {
    for (const { ranAt } of this.#universe.nodes) ranAt.clear()
    return this.callers.mark()
  }

  /** Waits until every other node has answered a call; sentences about those that took long while they could run. */
  async #firstAnswers(others: readonly FaultNode[], markedAt: number, pulse: Pulse): Promise<string[]> {
    const { first } = this.callers
    const waiting = new Set(others)
    const slow: string[] = []
    while (waiting.size > 0) {
      const now = performance.now() - markedAt
      for (const node of waiting) {
        const ms = first.get(node.name) ?? (now > READY_MS ? now : undefined)
        if (ms === undefined) continue
        waiting.delete(node)
        const stalledMs = Math.min(ms, pulse.stalledMs(node))
        if (ms > this.#slowest.ms) this.#slowest = { ms, stalledMs }
        if (this.isTimed ? ms - stalledMs > FIRST_MS_MAX : ms >= READY_MS)
          slow.push(`${node.name} answered no call for ${Math.round(ms)} ms, and no /livez for ${Math.round(stalledMs)} of them`)
      }
      await sleep(LOOK_MS)
    }
    return slow
  }

  #look(struck: FaultNode): void {
    const answers = this.#universe.nodes.flatMap(({ ranAt }) => [...ranAt])
    const sum = (each: readonly (readonly [string, number])[]) => each.reduce((total, [, count]) => total + count, 0)
    this.#gray.lateMs.push(...this.callers.tookMs)
    this.#gray.shares.push({ node: struck.name, own: sum(answers.filter(([name]) => name === struck.name)), all: sum(answers) })
  }
}
