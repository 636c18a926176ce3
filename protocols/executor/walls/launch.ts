/** Starting the process a worker runs in, and surely ending it. What it says on its pipe is worker-process.ts's business. */
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import type { Group, Weight } from './cgroup.ts'
import type { Nursery } from './nursery.ts'
import { childrenOf } from './processes.ts'
import { type Started, startHere } from './started.ts'

/**
 * Flags isolated-vm needs, and a heap for texts on their way; what functions use is not in it. Without the reducer, which never sees the isolates of functions:
 * seconds after they were busy, all workers together would collect the little that is in their own heaps, 10 to 20 ms of processor each.
 */
export const NODE_FLAGS = [
  '--no-node-snapshot',
  '--max-old-space-size=256',
  '--no-memory-pool-share-memory-on-teardown',
  '--no-memory-reducer',
]
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
  command: [string, ...string[]]
  /** The worker is the child of the process that is started, which ends with it. */
  monitored: boolean
  seccomp?: Buffer
  group?: Group
  /** Who starts it, if it is there to do it. */
  nursery?: Nursery
}

export function start({ command, monitored, seccomp, group, nursery }: Start): Launched {
  const started = begun(command, seccomp, group, nursery)
  let pid = started.pid
  let isKilled = false
  let ended: (ending: Ending) => void = () => {}
  const gone = Promise.withResolvers<void>()
  started.onBegun(() => {
    pid = started.pid
    if (isKilled) end(started, monitored)
  })
  started.onOver((how) => {
    ended('error' in how ? { reason: how.error, outOfMemory: false } : endingOf(wordFor(how, monitored), how.stderr, group))
    group?.remove()
    gone.resolve()
  })
  return {
    get pid() {
      return pid
    },
    pipe: started.pipe,
    settled() {
      if (monitored) pid = childrenOf(pid)[0] ?? pid
    },
    allow: (bytes) => group?.allow(bytes),
    weigh: (weight) => group?.weigh(weight),
    onEnded(listener) {
      ended = listener
    },
    kill() {
      isKilled = true
      end(started, monitored)
    },
    async exited() {
      if (!started.isOver) await gone.promise
    },
    unref: () => started.unref(),
  }
}

function begun(command: Start['command'], seccomp: Buffer | undefined, group: Group | undefined, nursery: Nursery | undefined): Started {
  try {
    return nursery?.start(command, seccomp) ?? startHere(command, seccomp)
  } catch (error) {
    group?.remove()
    throw error
  }
}

/** The worker only, where a monitor waits for it: that one then ends by itself, and leaves no dead process to somebody who would not bury it. */
function end({ pid, isOver }: Started, monitored: boolean): void {
  if (pid === 0 || isOver) return
  const workers = monitored ? childrenOf(pid) : []
  for (const each of workers.length > 0 ? workers : [-pid]) {
    try {
      process.kill(each, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
}

function wordFor({ code, signal }: { code: number | null; signal: NodeJS.Signals | null }, monitored: boolean): string {
  return monitored && (code ?? 0) > SIGNALLED ? signalOf(code ?? 0) : (signal ?? `code ${code}`)
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
