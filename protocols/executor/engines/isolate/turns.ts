/** Where entries into one isolate run: here, on the worker's main thread, while its turns are short; on isolated-vm's threads when they are not. */
import type ivm from 'isolated-vm'

/** A version whose turns take longer than this, on average of the last few, goes to a thread, so that its neighbours go on. */
const SLOW_TURN_MS = 2
const LATEST_TURN_WEIGHT = 0.3
/**
 * What was handed to a thread runs, wanted or not, and its call's time is the isolate's to watch: so many milliseconds of turns are handed over ahead, which
 * hides the hop. The others wait here, where they can still be ended.
 */
const AHEAD_MS = 10
/** Where a version shares an isolate, longer turns count as this: after two of them it is slow, after one it is not. */
const LONG_TURN_MS = 6

/** Without a timeout: it runs none of the user's code. */
export const DRAIN = { result: { copy: true } } as const
export const WITH_BYTES = { arguments: { copy: true } } as const

export type Entry = ivm.Reference<(...args: never[]) => unknown>

/** An entry on a thread. */
export interface Aside {
  entry: Entry
  args: unknown[]
  /** Asked when its turn comes: the options, or nothing where nobody wants it any more; then no callback is called. */
  begin: () => object | undefined
  /** Exactly one of the two is called, later, with the processor time the isolate used since the one before it came back. */
  ended: (result: unknown, cpuMs: number) => void
  broke: (error: unknown, cpuMs: number) => void
}

export class Turns {
  readonly #isolate: ivm.Isolate
  /** The isolate's processor time when it was last read, in nanoseconds. */
  #cpuNs = 0n
  /** How many there were. */
  count = 0
  /** Entries under way on a thread, and those that wait for it. While there are any, entering here would wait for them. */
  #aside = 0
  #running = 0
  readonly #queue: Aside[] = []
  /** The first turn of all goes to a thread: nothing is known about it. */
  #turnMs = Number.POSITIVE_INFINITY
  #whenIdle: (() => void)[] = []
  /** In an isolate that others share: a thread would hold them up, and could wait for the main thread while that waits for it. */
  readonly #alwaysHere: boolean

  constructor(isolate: ivm.Isolate, alwaysHere: boolean) {
    this.#isolate = isolate
    this.#alwaysHere = alwaysHere
    if (alwaysHere) this.#turnMs = 0
  }

  get mayRunHere(): boolean {
    return this.#alwaysHere || (this.#aside === 0 && this.#turnMs <= SLOW_TURN_MS)
  }

  /** Holds up its neighbours: one long turn may be the machine's doing, two in a row are not. */
  get isSlow(): boolean {
    return this.#alwaysHere && this.#turnMs > SLOW_TURN_MS
  }

  get isIdle(): boolean {
    return this.#aside === 0
  }

  learn(tookMs: number): void {
    this.count++
    const turnMs = this.#alwaysHere ? Math.min(tookMs, LONG_TURN_MS) : tookMs
    this.#turnMs = this.#turnMs === Number.POSITIVE_INFINITY ? turnMs : this.#turnMs + (turnMs - this.#turnMs) * LATEST_TURN_WEIGHT
  }

  /** Enters on a thread, in the order of these calls. */
  aside(turn: Aside): void {
    this.#aside++
    this.#queue.push(turn)
    this.#next()
    if (this.#queue.at(-1) === turn) turn.args = turn.args.map(kept)
  }

  #next(): void {
    while (this.#queue.length > 0 && this.#running < Math.max(1, AHEAD_MS / this.#turnMs)) {
      const turn = this.#queue.shift() as Aside
      const options = turn.begin()
      if (options === undefined) this.left()
      else void this.#run(turn, options)
    }
  }

  async #run({ entry, args, ended, broke }: Aside, options: object): Promise<void> {
    const startedAt = performance.now()
    if (this.#running === 0) this.#cpuMs()
    // Those that are under way share the isolate: each takes about its share of the wait.
    const share = ++this.#running
    const back = () => {
      const turnMs = (performance.now() - startedAt) / share
      this.learn(turnMs)
      const cpuMs = this.#cpuMs() ?? turnMs
      this.#running--
      this.left()
      return cpuMs
    }
    let result: unknown
    try {
      result = await entry.apply(undefined, args as never[], options)
    } catch (error) {
      broke(error, back())
      return this.#next()
    }
    ended(result, back())
    this.#next()
  }

  /** Since it was last asked, at 0.07 µs; undefined when the isolate is gone and can no longer tell. */
  #cpuMs(): number | undefined {
    if (this.#isolate.isDisposed) return undefined
    const before = this.#cpuNs
    this.#cpuNs = this.#isolate.cpuTime
    return Number(this.#cpuNs - before) / 1e6
  }

  /** For entries that are not made through `aside`. */
  entered(): void {
    this.#aside++
  }

  left(): void {
    this.#aside--
    if (this.#aside === 0) this.#idle()
  }

  /** Runs now, or as soon as nothing is under way. */
  whenIdle(run: () => void): void {
    if (this.#aside === 0) run()
    else this.#whenIdle.push(run)
  }

  #idle(): void {
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const run of waiting) run()
  }
}

/** Bytes that came on the pipe lie in memory that the next read fills again. */
function kept(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value) : value
}
