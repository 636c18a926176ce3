/** One control group per worker: the kernel ends a worker that goes over its memory, and only that one; it starts no threads without end, and waits for a processor behind others. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { canHold, enableBelow, enterBelow } from './cgroup-controllers.ts'
import { groupFolders } from './cgroup-files.ts'

const MIB = 1024 * 1024
/** Less than this above what is in use is no lower limit worth setting: it would be reached by what is garbage in a moment. */
const SLACK_BYTES = 16 * MIB
/** How long a group may take to be empty after its worker's end; then the next start of a node removes it. */
const EMPTY_MS = 5_000
const RETRY_MS = 25

/** The files of each version, by what they do. */
const FILES = {
  1: { limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes', peak: 'memory.max_usage_in_bytes', events: 'memory.oom_control' },
  2: { limit: 'memory.max', usage: 'memory.current', peak: 'memory.peak', events: 'memory.events' },
} as const
/** Memory on a disk is memory too, and slow. */
const NO_SWAP = { 1: ['memory.swappiness', '0'], 2: ['memory.swap.max', '0'] } as const

/**
 * `behind`: while the node or a worker that is `equal` wants a processor, its processes wait, and one that runs gives way at once (`cpu.idle`, Linux 5.15);
 * on an older kernel they get a sixteenth, and give way at the end of their slice (3 ms). To the rest of the host all groups of a node count as one that is
 * `equal`. Who is behind is so by what it used lately: whoever waits becomes equal, and comes to an end, too.
 */
export type Weight = 'equal' | 'behind'
const IDLE = { file: 'cpu.idle', equal: '0', behind: '1' } as const
/** The first is what the kernel gives every group, and every session of processes. */
const WEIGHTS = { 1: { file: 'cpu.shares', equal: '1024', behind: '64' }, 2: { file: 'cpu.weight', equal: '100', behind: '6' } } as const
/** Ends the name of the group that the node itself is in. */
const NODE = 'node'

export interface CgroupsInit {
  /** Tasks (threads count) one worker may have. */
  tasksMax: number
  /** /proc, or what stands for it in a test. */
  proc?: string
}

/** The groups of one node. */
export class Cgroups {
  readonly version: 1 | 2
  readonly hasTasks: boolean
  readonly hasWeights: boolean
  readonly #folders: string[]
  readonly #pids: string | undefined
  readonly #cpu: string | undefined
  readonly #init: CgroupsInit
  readonly #prefix: string

  /** Throws, with what to do, where this process may not make groups. */
  constructor(init: CgroupsInit) {
    const proc = init.proc ?? '/proc'
    const folders = groupFolders(readFileSync(join(proc, 'self/cgroup'), 'utf8'), readFileSync(join(proc, 'self/mountinfo'), 'utf8'))
    if (folders?.memory === undefined) throw new Error('no memory controller is mounted')
    this.#init = init
    this.version = folders.version
    this.#prefix = `osiris-${process.pid}-${startOf(proc, process.pid) ?? 0}-`
    if (folders.version === 2) enableBelow(folders.memory, this.#prefix + NODE)
    const trial = this.#prefix + randomBytes(4).toString('hex')
    this.#pids = canHold(folders, 'pids', trial)
    const cpu = canHold(folders, 'cpu', trial)
    this.hasTasks = this.#pids !== undefined
    for (const folder of new Set([folders.memory, this.#pids, cpu])) if (folder !== undefined) removeStale(folder, proc)
    // Beside each other is where one can be behind another: in version 2 they are.
    this.#cpu = cpu !== undefined && folders.version === 1 ? enterBelow(cpu, this.#prefix + NODE) : cpu
    this.hasWeights = this.#cpu !== undefined
    this.#folders = [...new Set([folders.memory, this.#pids, this.#cpu])].filter((each) => each !== undefined)
    // Whether it can be done is known when it has been done.
    this.open(64 * MIB).remove()
  }

  /** A new group; whoever is to be in it enters the folders by itself. Throws when the host gives none. */
  open(limitBytes: number): Group {
    const name = this.#prefix + randomBytes(4).toString('hex')
    const folders = this.#folders.map((folder) => join(folder, name))
    for (const folder of folders) mkdirSync(folder)
    const group = new Group(this.version, folders, this.#cpu === undefined ? undefined : join(this.#cpu, name))
    try {
      if (this.#pids !== undefined) writeFileSync(join(this.#pids, name, 'pids.max'), String(this.#init.tasksMax))
      group.allow(limitBytes)
      group.noSwap()
      return group
    } catch (error) {
      group.remove()
      throw error
    }
  }
}

export class Group {
  /** To be entered by writing to `cgroup.procs` in each; the first is the one of memory. */
  readonly folders: readonly string[]
  readonly #version: 1 | 2
  readonly #cpu: string | undefined
  #limitBytes = 0
  #weight: Weight = 'equal'

  /** `cpu`: the one of `folders` that has a weight. */
  constructor(version: 1 | 2, folders: readonly string[], cpu?: string) {
    this.#version = version
    this.folders = folders
    this.#cpu = cpu
  }

  /**
   * Raises the limit at once; lowers it only where that takes nothing that is in use. One that cannot be changed now, as where no more files can be opened,
   * stays until somebody comes again. Throws where there is none yet.
   */
  allow(bytes: number): void {
    if (bytes === this.#limitBytes || (bytes < this.#limitBytes && !this.#fitsIn(bytes))) return
    try {
      writeFileSync(this.#file('limit'), String(bytes))
      this.#limitBytes = bytes
    } catch (error) {
      if (this.#limitBytes === 0) throw error
    }
  }

  /** What its processes count when processors are short; nothing happens where the kernel does not weigh. */
  weigh(weight: Weight): void {
    if (weight === this.#weight || this.#cpu === undefined) return
    const { file, [weight]: value } = existsSync(join(this.#cpu, IDLE.file)) ? IDLE : WEIGHTS[this.#version]
    try {
      writeFileSync(join(this.#cpu, file), value)
      this.#weight = weight
    } catch {
      // Nobody is less safe for it.
      return
    }
  }

  /** Where there is no swap, the kernel may offer no such file. */
  noSwap(): void {
    const [file, value] = NO_SWAP[this.#version]
    try {
      writeFileSync(join(this.folders[0] ?? '', file), value)
    } catch {
      return
    }
  }

  /** The most it ever held; 0 where the kernel does not say (version 2 before Linux 5.19). */
  peakBytes(): number {
    return this.#number('peak')
  }

  /** Whether the kernel ended a process of it for want of memory. */
  wasKilled(): boolean {
    return oomKills(this.#text('events')) > 0
  }

  /** Ends what is left in it, and it. */
  remove(deadlineAt = performance.now() + EMPTY_MS): void {
    const left = this.folders.filter((folder) => !removeGroup(folder))
    if (left.length > 0 && performance.now() < deadlineAt) setTimeout(() => this.remove(deadlineAt), RETRY_MS).unref()
  }

  /** What cannot be read does not. */
  #fitsIn(bytes: number): boolean {
    const usage = this.#text('usage')
    return usage !== '' && Number(usage) + SLACK_BYTES <= bytes
  }

  #file(name: keyof (typeof FILES)[1]): string {
    return join(this.folders[0] ?? '', FILES[this.#version][name])
  }

  #text(name: keyof (typeof FILES)[1]): string {
    try {
      return readFileSync(this.#file(name), 'utf8')
    } catch {
      return ''
    }
  }

  #number(name: keyof (typeof FILES)[1]): number {
    const value = Number(this.#text(name))
    return Number.isFinite(value) ? value : 0
  }
}

/** `oom_kill 1` among lines of `name value`: memory.events of version 2, memory.oom_control of version 1. */
export function oomKills(text: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
}

/** The node whose group this is, and when that process began; nothing for a name that is not ours. */
export function ownerOf(name: string): { pid: number; start: number } | undefined {
  const [, pid, start] = /^osiris-(\d+)-(\d+)-[0-9a-z]+$/.exec(name) ?? []
  return pid === undefined ? undefined : { pid: Number(pid), start: Number(start) }
}

/** A node that was killed removes nothing: whoever starts next does, with what may still run there. */
function removeStale(folder: string, proc: string): void {
  for (const name of readdirSync(folder)) {
    const owner = ownerOf(name)
    if (owner !== undefined && startOf(proc, owner.pid) !== owner.start) new Group(1, [join(folder, name)]).remove()
  }
}

/** Field 22 of `stat`: with the pid it names a process for good. */
function startOf(proc: string, pid: number): number | undefined {
  try {
    const text = readFileSync(join(proc, `${pid}/stat`), 'utf8')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return undefined
  }
}

/** Whether it is gone; what still runs in it is killed, but for what a node started beside its workers. */
function removeGroup(folder: string): boolean {
  try {
    const name = basename(folder)
    if (name.endsWith(`-${NODE}`)) for (const each of groupsOf(folder, name.slice(0, -NODE.length))) removeGroup(each)
    else killAll(folder)
  } catch {
    // Gone meanwhile, the process or the group.
  }
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function groupsOf(folder: string, prefix: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(folder, name))
}

function killAll(folder: string): void {
  for (const line of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
    // 0 stands for a process this one cannot see.
    if (Number(line) > 0) process.kill(Number(line), 'SIGKILL')
  }
}
