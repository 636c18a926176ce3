/** Worker processes: one per namespace in use, one for each version that once had to be killed, and spares that hold nothing yet. */
import type { Clock } from '#protocols/lifecycle'
import type { WorkerStatus } from './executor.ts'
import { DO } from './frames.ts'
import type { FunctionState } from './function-state.ts'
import { sharingIn } from './memory/sharing.ts'
import type { Launched } from './walls/launch.ts'
import type { WorkerEnd } from './worker-end.ts'
import { type WorkerListener, WorkerProcess } from './worker-process.ts'

/** After a spare was taken, so that starting the next one is not in the way of the call that took it. */
const REFILL_MS = 20
/** A worker that ends within this never worked. So many in a row, and spares are made on demand only. */
const STILLBORN_MAX = 5
/** Versions remembered for having been killed; the oldest is forgotten first. */
const KILLERS_MAX = 4096

export interface PoolInit {
  clock: Clock
  spares: number
  launch: () => Launched
  /** Of all workers; none: each makes its own. */
  snapshot: () => Uint8Array | undefined
  listener: WorkerListener
  /** Whether there is memory for another spare. */
  mayRefill: () => boolean
  onStarted: (worker: WorkerProcess) => void
}

export class Pool {
  readonly #init: PoolInit
  readonly #spares: WorkerProcess[] = []
  readonly #byKey = new Map<string, WorkerProcess>()
  readonly #killers = new Set<string>()
  readonly #all = new Set<WorkerProcess>()
  #stopped = false
  #refilling = false
  #stillborn = 0

  constructor(init: PoolInit) {
    this.#init = init
  }

  /** Starts the spares; does not wait for them. */
  start(): void {
    this.#stopped = false
    while (this.#spares.length < this.#init.spares) this.#spares.push(this.#spawn())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    const all = [...this.#all]
    const end: WorkerEnd = { code: 'stopped', reason: 'the node is stopping', blamed: new Set() }
    for (const worker of all) worker.kill(end)
    await Promise.all(all.map((worker) => worker.exited()))
  }

  get workers(): Iterable<WorkerProcess> {
    return this.#all
  }

  report(): WorkerStatus[] {
    return [...this.#all].map((worker) => ({
      pid: worker.pid,
      namespace: worker.namespace,
      instances: worker.slots.size,
      sharing: sharingIn(worker.slots.values()),
      memoryBytes: worker.memory.residentBytes(),
    }))
  }

  get spares(): readonly WorkerProcess[] {
    return this.#spares
  }

  /** Whether an instance of this version would go into a process that is there. */
  hasProcessFor(fn: FunctionState): boolean {
    return this.#spares.length > 0 || this.#byKey.has(this.#keyOf(fn))
  }

  /** After there was no memory for them. */
  refill(): void {
    this.#refillSoon()
  }

  /** The worker that runs this version; taken from the spares when there is none. Throws when no process can be started. */
  workerFor(fn: FunctionState): WorkerProcess {
    const { namespace } = fn.record
    const key = this.#keyOf(fn)
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const worker = this.#takeSpare() ?? this.#spawn()
    worker.key = key
    worker.namespace = namespace
    worker.idleSince = this.#init.clock.monotonic()
    this.#byKey.set(key, worker)
    this.#refillSoon()
    this.#init.onStarted(worker)
    return worker
  }

  /** The worker is held up by one of its functions: whatever else belongs there goes to another one. It comes back into use, for what it holds, when it is free. */
  relieve(worker: WorkerProcess): void {
    worker.isBlocked = true
    if (worker.key !== null && this.#byKey.get(worker.key) === worker) this.#byKey.delete(worker.key)
  }

  /** From now on this version runs alone. */
  quarantine(version: string): void {
    if (this.#killers.size >= KILLERS_MAX) this.#killers.delete(this.#killers.values().next().value as string)
    this.#killers.add(version)
  }

  isQuarantined(version: string): boolean {
    return this.#killers.has(version)
  }

  /** To be called once for every worker that ended. */
  remove(worker: WorkerProcess): void {
    this.#all.delete(worker)
    if (worker.key !== null && this.#byKey.get(worker.key) === worker) this.#byKey.delete(worker.key)
    const at = this.#spares.indexOf(worker)
    if (at >= 0) this.#spares.splice(at, 1)
    this.#stillborn = worker.isReady ? 0 : this.#stillborn + 1
    this.#refillSoon()
  }

  #keyOf({ record, version }: FunctionState): string {
    return this.#killers.has(version) ? `${record.namespace}/${version}` : record.namespace
  }

  /** One that has answered already, if there is any: the others are still starting. */
  #takeSpare(): WorkerProcess | undefined {
    const ready = this.#spares.findIndex((worker) => worker.isReady)
    return this.#spares.splice(Math.max(0, ready), 1)[0]
  }

  #refillSoon(): void {
    if (this.#stopped || this.#refilling || this.#stillborn >= STILLBORN_MAX || this.#spares.length >= this.#init.spares) return
    this.#refilling = true
    this.#init.clock.after(REFILL_MS, () => {
      this.#refilling = false
      if (this.#stopped || !this.#init.mayRefill()) return
      try {
        const spare = this.#spawn()
        // Whoever made it necessary, nobody is to wait for a processor because it starts; whoever takes it lifts it.
        spare.weigh('behind')
        this.#spares.push(spare)
      } catch {
        // Out of processes or descriptors: whoever needs a worker now will be told; the next one taken tries again.
        return
      }
      this.#refillSoon()
    })
  }

  #spawn(): WorkerProcess {
    const worker = new WorkerProcess(this.#init.listener, this.#init.launch())
    worker.frame(DO.snapshot, 0, 0, 0, this.#init.snapshot())
    worker.unref()
    this.#all.add(worker)
    return worker
  }
}
