/** What the kernel says about the processors this process had and waited for. Linux; elsewhere it says nothing. */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'

const NS_PER_MS = 1e6
/** Threads come and go seldom. */
const ROUNDS_PER_LIST = 50

export interface Schedstat {
  /** Milliseconds of processor the main thread has used. */
  ranMs: number
  /** Milliseconds each thread has waited for a processor, by its id. */
  waitedMs: ReadonlyMap<string, number>
}

/**
 * How long the main thread itself held up its events, of a delay: what it computed, and what it was blocked for. Not counted is the longest time any thread of
 * the process waited for a processor: a collection waits for its helpers, a write for the pool, and on a busy machine those wait for others.
 */
export function heldOf(lateMs: number, before: Schedstat, now: Schedstat): number {
  let waited = 0
  for (const [thread, ms] of now.waitedMs) waited = Math.max(waited, ms - (before.waitedMs.get(thread) ?? ms))
  return Math.min(lateMs, Math.max(now.ranMs - before.ranMs, lateMs - waited))
}

/** Reads `schedstat` of each thread (Documentation/scheduler/sched-stats): nanoseconds on a processor, nanoseconds on a run queue. 2 µs a thread. */
export class SchedstatReader {
  readonly #files = new Map<string, number>()
  readonly #text = Buffer.alloc(96)
  #rounds = 0

  read(): Schedstat {
    if (this.#rounds++ % ROUNDS_PER_LIST === 0) this.#list()
    let ranMs = 0
    const waitedMs = new Map<string, number>()
    for (const [thread, file] of this.#files) {
      const [ran, waited] = this.#numbers(file)
      if (thread === String(process.pid)) ranMs = ran
      waitedMs.set(thread, waited)
    }
    return { ranMs, waitedMs }
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file)
    this.#files.clear()
  }

  #list(): void {
    let threads: string[] = []
    try {
      threads = readdirSync('/proc/self/task')
    } catch {
      return
    }
    for (const [thread, file] of this.#files)
      if (!threads.includes(thread)) {
        closeSync(file)
        this.#files.delete(thread)
      }
    for (const thread of threads)
      try {
        if (!this.#files.has(thread)) this.#files.set(thread, openSync(`/proc/self/task/${thread}/schedstat`, 'r'))
      } catch {
        // Ended meanwhile, or a kernel that does not count.
      }
  }

  #numbers(file: number): [ran: number, waited: number] {
    try {
      const [ran, waited] = this.#text.toString('latin1', 0, readSync(file, this.#text, 0, this.#text.length, 0)).split(' ')
      return [Number(ran) / NS_PER_MS, Number(waited) / NS_PER_MS]
    } catch {
      return [0, 0]
    }
  }
}
