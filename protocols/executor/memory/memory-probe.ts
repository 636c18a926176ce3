/** Resident memory and processor time of a process, read from the kernel at about 3 µs each; 0 and undefined where the host does not offer them. */
import { closeSync, openSync, readSync } from 'node:fs'

const PAGE_BYTES = 4096
/** The unit of proc(5), whatever the kernel counts in (USER_HZ). */
const TICK_MS = 10
const text = Buffer.alloc(512)

export class MemoryProbe {
  #statm: number | undefined
  #stat: number | undefined

  constructor(pid: number) {
    if (pid <= 0) return
    this.#statm = open(`/proc/${pid}/statm`)
    this.#stat = open(`/proc/${pid}/stat`)
  }

  residentBytes(): number {
    return residentOf(read(this.#statm) ?? '') * PAGE_BYTES
  }

  /** Resident memory without the pages of files, Node's own code above all: processes have those in common, and a sum would count them many times. */
  ownBytes(): number {
    return ownOf(read(this.#statm) ?? '') * PAGE_BYTES
  }

  /** User and system time of all its threads, in steps of 10 ms; its ended children not counted. */
  cpuMs(): number | undefined {
    const stat = read(this.#stat)
    return stat === undefined ? undefined : ticksOf(stat) * TICK_MS
  }

  close(): void {
    for (const file of [this.#statm, this.#stat]) if (file !== undefined) closeSync(file)
    this.#statm = undefined
    this.#stat = undefined
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    return undefined
  }
}

function read(file: number | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return text.toString('latin1', 0, readSync(file, text, 0, text.length, 0))
  } catch {
    return undefined
  }
}

/** Fields 14 and 15 of `stat`, behind a name that may hold anything: clock ticks in user and in kernel mode. */
export function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  return Number.isFinite(ticks) ? ticks : 0
}

/** The second field of `statm` less the third, pages of files and of shared memory. */
export function ownOf(statm: string): number {
  return Math.max(0, residentOf(statm) - residentOf(statm.slice(statm.indexOf(' ') + 1)))
}

/** The second field of `statm` (proc(5)): resident pages. */
export function residentOf(statm: string): number {
  const pages = Number(statm.split(' ')[1])
  return Number.isFinite(pages) ? pages : 0
}
