/** An executor that runs nothing and counts every start: what the router does with a call is what is judged, not what the function does. */
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Executor, ExecutorStatus } from '#protocols/executor'
import { failed, type Outcome, type OutcomeMeta, type PlacedInvocation } from '#protocols/invocation'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import type { Dice } from './dice.ts'

export interface CountingInit {
  name: string
  clock: Clock
  dice: Dice
  record: (invocation: Pick<PlacedInvocation, 'target' | 'version'>) => MaybePromise<FunctionRecord>
  /** Hears of every start. */
  onStart: (id: string) => void
}

const CAPACITY = 8
/** How long functions run, milliseconds; some longer than their caller waits. */
const RUN_MS = { min: 1, max: 40, long: 2500, longChance: 0.12 }
const CRASH_CHANCE = 0.06
const REFUSE_CHANCE = 0.08

export class CountingExecutor implements Pick<Executor, 'invoke' | 'isWarm' | 'hasRoom' | 'isFull' | 'status' | 'scale'> {
  readonly #init: CountingInit
  #inFlight = 0

  constructor(init: CountingInit) {
    this.#init = init
  }

  get nodeName(): string {
    return this.#init.name
  }

  now(): number {
    return this.#init.clock.monotonic()
  }

  recordOf(invocation: PlacedInvocation): MaybePromise<FunctionRecord> {
    return this.#init.record(invocation)
  }

  versionOf(namespace: string, name: string, version: string): MaybePromise<FunctionRecord> {
    return this.#init.record({ target: { namespace, name }, version })
  }

  isWarm(): boolean {
    return false
  }

  hasRoom(): boolean {
    return false
  }

  isFull(): boolean {
    return false
  }

  scale(): Promise<never> {
    return Promise.reject(new OsirisError('unavailable', 'Cannot keep instances: nothing is started here'))
  }

  status(): ExecutorStatus {
    return {
      ...{ capacity: CAPACITY, inFlight: this.#inFlight, queued: 0, workers: [], warm: [], walls: [] },
      compiled: { used: 0, made: 0, forged: 0, rejected: 0, unwritten: 0, memoryBytes: 0, diskBytes: 0 },
    }
  }

  async invoke(invocation: PlacedInvocation): Promise<Outcome> {
    const { dice, onStart } = this.#init
    const meta = this.#metaOf(invocation)
    if (this.#inFlight >= CAPACITY || dice.chance(REFUSE_CHANCE)) {
      return failed(new OsirisError('overloaded', 'Cannot run: the executor is full'), meta)
    }
    onStart(invocation.id)
    this.#inFlight += 1
    const outcome = await this.#run(invocation, meta)
    this.#inFlight -= 1
    return outcome
  }

  async #run(invocation: PlacedInvocation, meta: OutcomeMeta): Promise<Outcome> {
    const { dice } = this.#init
    const runMs = dice.chance(RUN_MS.longChance) ? dice.between(RUN_MS.max, RUN_MS.long) : dice.between(RUN_MS.min, RUN_MS.max)
    const crashes = dice.chance(CRASH_CHANCE)
    const leftMs = invocation.deadlineAt - this.now()
    await new Promise<void>((resolve) => this.#init.clock.after(Math.max(0, Math.min(runMs, leftMs)), resolve))
    if (runMs > leftMs) return failed(new OsirisError('deadline_exceeded', 'Cannot finish: the deadline passed'), meta, true)
    if (crashes) return failed(new OsirisError('worker_crashed', 'Cannot finish: the worker ended'), meta, true)
    return { kind: 'value', value: Buffer.from('1'), meta }
  }

  #metaOf({ version, hops }: PlacedInvocation): OutcomeMeta {
    return { version, node: this.#init.name, hops, timing: { route: 0, queue: 0, cold: 0, run: 1, cpu: 1 } }
  }
}
