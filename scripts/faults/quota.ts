/** Shares of a processor for processes of ours, by control groups (cgroups(7)): version 1, where the runner may make groups beside its own. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRunning, markOf, type ProcessMark } from '#node/universe'
import type { Cleanup } from '../bench/cleanup.ts'

const PERIOD_US = 100_000
const PREFIX = 'osiris-faults-'
/** Processes that were killed leave their group a moment later. */
const EMPTY_MS = 5000
const LOOK_MS = 50

export class Quota {
  /** What stands before a command that is to be in the group. */
  readonly inside: readonly string[]
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.inside = ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder]
  }

  /** Its folder is gone after `cleanup`; what a runner left that was killed goes at the next one's start. Throws where no group can be made. */
  static open(name: string, cleanup: Cleanup): Quota {
    const parent = ownFolder()
    for (const each of readdirSync(parent)) if (isStale(each)) remove(join(parent, each))
    const own = markOf(process.pid)
    const folder = join(parent, `${PREFIX}${own?.pid}-${own?.startedAs}-${name}`)
    cleanup.add(() => removeSoon(folder))
    mkdirSync(folder)
    return new Quota(folder)
  }

  /** So much of one processor, over all processes in it and below; nothing: as much as there is. */
  set(share: number | undefined): void {
    writeFileSync(join(this.#folder, 'cpu.cfs_period_us'), String(PERIOD_US))
    writeFileSync(join(this.#folder, 'cpu.cfs_quota_us'), String(share === undefined ? -1 : Math.round(share * PERIOD_US)))
  }
}

/** Why no quota can be had here; nothing when it can. */
export function noQuota(): string | undefined {
  try {
    const folder = join(ownFolder(), `${PREFIX}trial-${process.pid}`)
    mkdirSync(folder)
    try {
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), '-1')
    } finally {
      rmdirSync(folder)
    }
    return undefined
  } catch (error) {
    return `the host gives us no group with a quota of the processor: ${(error as Error).message}`
  }
}

/** The group of this process in the hierarchy that has the processor. */
function ownFolder(): string {
  const path = /^\d+:(?:[^:\n]*,)?cpu(?:,[^:\n]*)?:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  const point = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup \S+ (?:\S*,)?cpu(?:,\S*)?$/m.exec(readFileSync('/proc/self/mountinfo', 'utf8'))?.[1]
  if (path === undefined || point === undefined) throw new Error('the controller of the processor is not mounted (version 1)')
  return join(point, path)
}

function isStale(name: string): boolean {
  const [, pid, startedAs] = /^osiris-faults-(\d+)-(\d+)-/.exec(name) ?? []
  return pid !== undefined && !isRunning({ pid: Number(pid), startedAs: startedAs as ProcessMark['startedAs'] })
}

async function removeSoon(folder: string): Promise<void> {
  const end = performance.now() + EMPTY_MS
  while (!remove(folder) && performance.now() < end) await sleep(LOOK_MS)
}

/** With all groups below; `false` while there is a process in one. */
function remove(folder: string): boolean {
  try {
    for (const each of readdirSync(folder, { withFileTypes: true })) if (each.isDirectory()) remove(join(folder, each.name))
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
