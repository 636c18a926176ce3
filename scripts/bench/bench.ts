/** What a figure is: something measured, and the bar it is held against (BARS.md of the project, in short in README.md). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cleanup } from './cleanup.ts'
import type { LoadGenerator } from './load/load.ts'

export interface Row {
  what: string
  measured: number
  unit: string
  /** `least`: higher is better. */
  bar: { kind: 'least' | 'most'; value: number }
  /** What the number was made of: every round, every contender. Kept in the JSON, not in the table. */
  detail: { [key: string]: unknown }
}

export interface Figure {
  /** For `--only`. */
  name: string
  measure(bench: Bench): Promise<Row[]>
}

export interface Bench {
  /** Interleaved rounds; medians are taken over them. */
  rounds: number
  /** Length of one round under load. */
  roundMs: number
  /** Divides counts of things (functions, runs) in a smoke run; 1 otherwise. */
  divisor: number
  load: LoadGenerator
  cleanup: Cleanup
  /** Progress, on stderr. */
  say(text: string): void
}

export function isMet(row: Row): boolean {
  return row.bar.kind === 'least' ? row.measured >= row.bar.value : row.measured <= row.bar.value
}

/** What it gives; `undefined`, and said, where it fails or takes longer: the rows measured before are kept. What it began is ended with the figure. */
export async function tried<T>(
  bench: Pick<Bench, 'say' | 'cleanup'>,
  what: string,
  timeoutMs: number,
  run: () => Promise<T>,
): Promise<T | undefined> {
  const late = new AbortController()
  const limit = async (): Promise<never> => {
    await sleep(timeoutMs, undefined, { signal: AbortSignal.any([late.signal, bench.cleanup.signal]) })
    throw new Error(`it takes more than ${timeoutMs / 1000} s`)
  }
  try {
    return await Promise.race([run(), limit()])
  } catch (error) {
    if (bench.cleanup.signal.aborted) throw error
    bench.say(`${what} failed: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  } finally {
    late.abort()
  }
}
