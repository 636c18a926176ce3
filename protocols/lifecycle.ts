/** A thing with a running state. Both methods are idempotent; `stop()` releases every socket, timer, process and file. */
export interface Startable {
  start(): Promise<void>
  stop(): Promise<void>
}

/** A value now, or later. Reads that are usually in memory return it without a promise, so that the call path stays synchronous. */
export type MaybePromise<T> = T | Promise<T>

/** Time as decisions see it; injected so that the simulator can drive production code. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. Used in what is signed and shown, never for measuring. */
  now(): number
  /** Milliseconds that only grow; deadlines and durations are counted on it. */
  monotonic(): number
  /** One-shot timer that never keeps the process alive. Returns the way to cancel it. */
  after(delayMs: number, run: () => void): () => void
}

/** Uniform in [0, 1). */
export type Random = () => number

/** So many hex characters by chance: 32 of them name something in the whole universe. */
export function hexOf(random: Random, characters: number): string {
  return Array.from({ length: characters }, () => Math.floor(random() * 16).toString(16)).join('')
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Lets whatever else waits have its turn, in the midst of long work. On any clock but the system's, where time does not pass by itself, that is one more timer. */
export function breathe(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (clock === systemClock) setImmediate(resolve)
    else clock.after(0, resolve)
  })
}

/** The same items, one by one, others having their turn after each so many. */
export async function* unhurried<T>(items: Iterable<T>, count: number, clock: Clock): AsyncGenerator<T> {
  let taken = 0
  for (const item of items) {
    yield item
    taken += 1
    if (taken % count === 0) await breathe(clock)
  }
}

/** Repeats `run` every `intervalMs`, the next round only after the previous one ended. Returns the way to stop. `onError` hears of a round that failed. */
export function every(clock: Clock, intervalMs: number, run: () => MaybePromise<void>, onError: (error: unknown) => void): () => void {
  let stopped = false
  let cancel = () => {}
  const round = async () => {
    try {
      await run()
    } catch (error) {
      onError(error)
    }
    if (!stopped) cancel = clock.after(intervalMs, () => void round())
  }
  cancel = clock.after(intervalMs, () => void round())
  return () => {
    stopped = true
    cancel()
  }
}

/** The five roles a node may run (DESIGN 1). */
export const ROLES = ['router', 'catalog', 'builder', 'executor', 'codegen'] as const
export type Role = (typeof ROLES)[number]
