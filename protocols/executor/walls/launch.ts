/** Starting the process a worker runs in, and surely ending it. What it says on its pipe is worker-process.ts's business. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { OsirisError } from '#protocols/errors'
import type { Group, Weight } from './cgroup.ts'

/** Flags isolated-vm needs, and a heap for texts on their way; what functions use is not in it. */
export const NODE_FLAGS = ['--no-node-snapshot', '--max-old-space-size=256', '--no-memory-pool-share-memory-on-teardown']
const PIPE = 3
const SECCOMP = 4
const STDERR_KEPT = 4096
const MIB = 1024 * 1024
/** A shell says so of what a signal ended. */
const SIGNALLED = 128

/** How a worker ended, when nobody here ended it. `outOfMemory`: the engine or the kernel said so. */
export interface Ending {
  reason: string
  outOfMemory: boolean
}

/** A worker process as the node holds it. */
export interface Launched {
  /** Of the process whose memory is the worker's, once it was `settled`; before that perhaps of the one that makes its walls. 0 when it could not be started. */
  readonly pid: number
  readonly pipe: Socket
  /** The worker has said something: its walls are made. */
  settled(): void
  /** Memory the kernel lets it have, in bytes; nothing where the kernel does not judge. Lower than before takes effect when it needs no more. */
  allow(bytes: number): void
  /** What it counts where processors are short; nothing where the kernel does not weigh. Costs nothing when it is so already. */
  weigh(weight: Weight): void
  /** Called once, also when the process could not be started. */
  onEnded(listener: (ending: Ending) => void): void
  /** Ends it and everything it started, now. */
  kill(): void
  /** Resolves when nothing of it is left. */
  exited(): Promise<void>
  /** Neither the process nor its pipe keeps the node alive. */
  unref(): void
}

export interface Start {
  command: readonly [string, ...string[]]
  /** The worker is the child of the process that is started, which ends with it. */
  monitored: boolean
  seccomp?: Buffer
  group?: Group
}

export function start({ command: [program, ...args], monitored, seccomp, group }: Start): Launched {
  const pipes = seccomp === undefined ? (['pipe', 'pipe'] as const) : (['pipe', 'pipe', 'pipe'] as const)
  // A group of its own: what is meant for the node at a terminal is not for its workers, and one signal reaches all of it.
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', ...pipes], env: {}, cwd: '/', detached: true })
  const pipe = child.stdio[PIPE]
  if (pipe === null || pipe === undefined) {
    group?.remove()
    throw new OsirisError('unavailable', 'Cannot start a worker process: the host gives no pipe')
  }
  if (seccomp !== undefined) feed(child.stdio[SECCOMP] as Socket, seccomp)
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('latin1')).slice(-STDERR_KEPT)
  })
  let ended: (ending: Ending) => void = () => {}
  child.once('error', (error) => {
    ended({ reason: error.message, outOfMemory: false })
    if (child.pid === undefined) group?.remove()
  })
  child.once('close', (code, signal) => {
    ended(endingOf(monitored && (code ?? 0) > SIGNALLED ? signalOf(code ?? 0) : (signal ?? `code ${code}`), stderr, group))
    group?.remove()
  })
  let pid = child.pid ?? 0
  return {
    get pid() {
      return pid
    },
    pipe: pipe as Socket,
    settled() {
      if (monitored) pid = childrenOf(pid)[0] ?? pid
    },
    allow: (bytes) => group?.allow(bytes),
    weigh: (weight) => group?.weigh(weight),
    onEnded(listener) {
      ended = listener
    },
    kill: () => end(child, monitored),
    async exited() {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
      await new Promise<void>((resolve) => child.once('exit', () => resolve()))
    },
    unref() {
      child.unref()
      ;(pipe as Socket).unref()
      ;(child.stderr as Socket | null)?.unref()
    },
  }
}

function feed(socket: Socket, bytes: Buffer): void {
  socket.on('error', () => {})
  socket.unref()
  socket.end(bytes, () => socket.destroy())
}

/** The worker only, where a monitor waits for it: that one then ends by itself, and leaves no dead process to somebody who would not bury it. */
function end(child: ChildProcess, monitored: boolean): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const workers = monitored ? childrenOf(child.pid) : []
  for (const pid of workers.length > 0 ? workers : [-child.pid]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
}

/** proc(5); empty for a process that is gone, and on a kernel without this file. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function endingOf(how: string, stderr: string, group: Group | undefined): Ending {
  if (group?.wasKilled() === true) return { reason: `the kernel ended it at ${Math.round(group.peakBytes() / MIB)} MB`, outOfMemory: true }
  return { reason: `it ended with ${how}`, outOfMemory: saysOutOfMemory(stderr) }
}

function signalOf(code: number): string {
  return Object.entries(constants.signals).find(([, number]) => number === code - SIGNALLED)?.[0] ?? `code ${code}`
}

/** What V8, isolated-vm and the C++ library write before they abort for want of memory. */
export function saysOutOfMemory(stderr: string): boolean {
  return /out of memory|out-of-memory|is_heap_oom|heap limit|invalid table size|Allocation failed/i.test(stderr)
}
