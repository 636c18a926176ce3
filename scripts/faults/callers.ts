/** Load: callers that call one function after the other through whichever node may be asked, and remember how each call ended and when. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import { Dice } from './dice.ts'
import { p99 } from './gray.ts'
import type { FaultNode } from './node.ts'
import { NAMESPACE } from './deployers.ts'

/** Of both functions, unless somebody says. */
export const TIMEOUT_MS = 5000
/** Every call ends within its deadline and so long (THREATS 3, B3), and this process is busy too. */
const LATE_MS = 1000 + 500
const PAUSE_MS = 20
/** A caller whose node dies under an idempotent call asks so many nodes in all. */
const NODES_MAX = 3
const TOLD = 5
const LOSSES_TOLD = 20

/** `once` must not be started twice; `again` may, and is hedged. Each tells the sink its call before it does anything. */
export const FUNCTIONS = ['once', 'again'] as const
type Name = (typeof FUNCTIONS)[number]

export interface CallersInit {
  count: number
  seed: number
  /** Of both functions, if not 5 s. */
  timeoutMs?: number
  /** Between two calls of one caller, at most. */
  pauseMs?: number
  /** Who may be asked now. */
  nodes: () => readonly FaultNode[]
  /** When a node last stood still: nobody there could end the calls that it had taken before. */
  stoodStillAt?: (node: FaultNode) => number | undefined
}

interface Tally {
  ok: number
  failed: Map<string, number>
}

export class Callers {
  readonly tallies: Record<Name, Tally> = { once: { ok: 0, failed: new Map() }, again: { ok: 0, failed: new Map() } }
  /** Sentences about calls that ended too late. */
  readonly late: string[] = []
  /** Of idempotent calls that were not answered, the first: whom they asked, when, and what each said. */
  readonly losses: string[] = []
  /** By code: what the first call said that ended with it. */
  readonly sentences = new Map<string, string>()
  /** By node: since `mark`, when the first call that began after it was answered. */
  readonly first = new Map<string, number>()
  readonly tookMs: number[] = []
  /** How the questions to each node ended since `mark`; a call that is asked again elsewhere counts at both. */
  readonly byNode = new Map<string, Tally>()
  readonly #init: CallersInit
  readonly #dice: Dice[]
  readonly #next: number[]
  #markedAt = 0
  #stopped = true
  #running: Promise<unknown> = Promise.resolve()

  constructor(init: CallersInit) {
    this.#init = init
    this.#dice = Array.from({ length: init.count }, (_, index) => new Dice(init.seed, `caller ${index}`))
    this.#next = this.#dice.map(() => 0)
  }

  start(): void {
    this.#stopped = false
    this.#running = Promise.all(this.#dice.map((dice, index) => this.#run(index, dice)))
  }

  /** Resolves when every answer is in. */
  async pause(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** From now on `first` is looked for, and `tookMs` begins anew. */
  mark(): number {
    this.first.clear()
    this.tookMs.length = 0
    this.byNode.clear()
    return (this.#markedAt = performance.now())
  }

  /** 99th percentile of what answers took since `mark`, in ms; 0 when there is none. */
  p99(): number {
    return p99(this.tookMs)
  }

  total(): number {
    return FUNCTIONS.reduce((sum, name) => sum + this.tallies[name].ok + failuresIn(this.tallies[name]), 0)
  }

  /** That must not be started twice. */
  countedCalls(): number {
    const { once } = this.tallies
    return once.ok + failuresIn(once)
  }

  async #run(index: number, dice: Dice): Promise<void> {
    while (!this.#stopped) {
      const name = dice.chance(0.5) ? 'once' : 'again'
      const id = `${name}-${index}-${(this.#next[index] as number)++}`
      const code = await this.#call(name, id, dice)
      count(this.tallies[name], code)
      await sleep(code === undefined ? dice.int(this.#init.pauseMs ?? PAUSE_MS) : PAUSE_MS)
    }
  }

  /** The code it ended with; `undefined` for an answer. */
  async #call(name: Name, id: string, dice: Dice): Promise<string | undefined> {
    const story: string[] = []
    let code: string | undefined
    for (let asked = 0; asked < (name === 'again' ? NODES_MAX : 1); asked += 1) {
      const node = await this.#somebody(dice)
      code ??= 'unavailable'
      if (node?.client === undefined) break
      const startedAt = performance.now()
      const error = await node.client.call(`${NAMESPACE}/${name}`, id).then(
        () => undefined,
        (thrown: unknown) => OsirisError.from(thrown, 'Cannot call'),
      )
      code = error?.code
      this.#note(node, id, startedAt, code)
      if (error !== undefined) story.push(this.#told(node, startedAt, error))
      if (error !== undefined && !this.sentences.has(error.code)) this.sentences.set(error.code, error.message)
      if (code !== 'unavailable' && code !== 'outcome_unknown') break
    }
    if (name === 'again' && code !== undefined && this.losses.length < LOSSES_TOLD) this.losses.push(`lost: ${id}: ${story.join('; ')}`)
    return code
  }

  #told(node: FaultNode, startedAt: number, { code, message }: OsirisError): string {
    const [from, to] = [startedAt, performance.now()].map((each) => Math.round(each - this.#markedAt))
    return `through ${node.name}, ${from} to ${to} ms after the strike, ${code}: ${message}`
  }

  async #somebody(dice: Dice): Promise<FaultNode | undefined> {
    let node = dice.pick(this.#init.nodes())
    while (node === undefined && !this.#stopped) {
      await sleep(PAUSE_MS)
      node = dice.pick(this.#init.nodes())
    }
    return node
  }

  #tallyOf(name: string): Tally {
    const tally = this.byNode.get(name) ?? { ok: 0, failed: new Map() }
    this.byNode.set(name, tally)
    return tally
  }

  #note(node: FaultNode, id: string, startedAt: number, code: string | undefined): void {
    const now = performance.now()
    const endMs = (this.#init.timeoutMs ?? TIMEOUT_MS) + LATE_MS
    const isStuck = startedAt <= (this.#init.stoodStillAt?.(node) ?? Number.NEGATIVE_INFINITY)
    if (now - startedAt > endMs && !isStuck && this.late.length < TOLD)
      this.late.push(`${id} through ${node.name} ended after ${Math.round(now - startedAt)} ms (${code ?? 'answered'})`)
    if (startedAt < this.#markedAt) return
    count(this.#tallyOf(node.name), code)
    if (code !== undefined) return
    this.tookMs.push(now - startedAt)
    if (!this.first.has(node.name)) this.first.set(node.name, now - this.#markedAt)
  }
}

function count(tally: Tally, code: string | undefined): void {
  if (code === undefined) tally.ok += 1
  else tally.failed.set(code, (tally.failed.get(code) ?? 0) + 1)
}

export function failuresIn({ failed }: Tally): number {
  return [...failed.values()].reduce((sum, each) => sum + each, 0)
}
