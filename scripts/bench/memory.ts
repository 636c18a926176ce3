/** What a process and everything it started hold, as the kernel counts it (proc(5)): pages that several share are divided among them. */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessMemory {
  pid: number
  parent: number
  /** Proportional set size. */
  pssBytes: number
}

/** The process first. Throws where the host has no /proc. */
export function memoryOf(pid: number): ProcessMemory[] {
  const family = new Map<number, ProcessMemory>()
  const parents = parentsNow()
  const take = (each: number, parent: number): void => {
    const pssBytes = pssOf(each)
    if (pssBytes !== undefined) family.set(each, { pid: each, parent, pssBytes })
    for (const [child, of] of parents) if (of === each && !family.has(child)) take(child, each)
  }
  take(pid, parents.get(pid) ?? 0)
  if (!family.has(pid)) throw new Error(`Cannot measure the memory of process ${pid}: /proc does not say`)
  return [...family.values()]
}

export function sum(family: ProcessMemory[]): number {
  return family.reduce((total, each) => total + each.pssBytes, 0)
}

function parentsNow(): Map<number, number> {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readIfThere(`/proc/${name}/stat`) : undefined
    // The name of the program comes first, in parentheses, and may contain anything.
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
    if (parent !== undefined) parents.set(Number(name), Number(parent))
  }
  return parents
}

function pssOf(pid: number): number | undefined {
  const kilobytes = readIfThere(`/proc/${pid}/smaps_rollup`)?.match(/^Pss:\s+(\d+) kB/m)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** A process may end between two looks. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
