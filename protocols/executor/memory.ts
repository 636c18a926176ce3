/** Resident memory of a process, read from the kernel at about 3 µs; 0 where the host does not offer it. */
import { closeSync, openSync, readSync } from 'node:fs'

const PAGE_BYTES = 4096
const text = Buffer.alloc(128)

export class MemoryProbe {
  #file: number | undefined

  constructor(pid: number) {
    try {
      if (pid > 0) this.#file = openSync(`/proc/${pid}/statm`, 'r')
    } catch {
      this.#file = undefined
    }
  }

  residentBytes(): number {
    if (this.#file === undefined) return 0
    try {
      const length = readSync(this.#file, text, 0, text.length, 0)
      return residentOf(text.toString('latin1', 0, length)) * PAGE_BYTES
    } catch {
      return 0
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

/** The second field of `statm` (proc(5)): resident pages. */
export function residentOf(statm: string): number {
  const pages = Number(statm.split(' ')[1])
  return Number.isFinite(pages) ? pages : 0
}
