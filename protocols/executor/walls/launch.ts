/** Starting the process a worker runs in, and surely ending it. What it says on its pipe is worker-process.ts's business. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { OsirisError } from '#protocols/errors'

/** Flags isolated-vm needs, and a heap for texts on their way; what functions use is not in it. */
export const NODE_FLAGS = ['--no-node-snapshot', '--max-old-space-size=256']
const PIPE = 3
const STDERR_KEPT = 4096

/** How a worker ended, when nobody here ended it. `outOfMemory`: the engine or the kernel said so. */
export interface Ending {
  reason: string
  outOfMemory: boolean
}

/** A worker process as the node holds it. */
export interface Launched {
  /** Of the process whose memory is the worker's; 0 when it could not be started. */
  readonly pid: number
  readonly pipe: Socket
  /** Called once, also when the process could not be started. */
  onEnded(listener: (ending: Ending) => void): void
  /** Ends it and everything it started, now. */
  kill(): void
  /** Resolves when nothing of it is left. */
  exited(): Promise<void>
  /** Neither the process nor its pipe keeps the node alive. */
  unref(): void
}

/** Throws `unavailable` when the host gives no process or pipe. */
export type Launch = (entry: string) => Launched

/** No walls but the process itself: an empty environment, three descriptors. */
export const launchPlain: Launch = (entry) =>
  held(spawn(process.execPath, [...NODE_FLAGS, entry], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: {}, cwd: '/' }))

function held(child: ChildProcess): Launched {
  const pipe = child.stdio[PIPE]
  if (pipe === null || pipe === undefined) throw new OsirisError('unavailable', 'Cannot start a worker process: the host gives no pipe')
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('latin1')).slice(-STDERR_KEPT)
  })
  return {
    pid: child.pid ?? 0,
    pipe: pipe as Socket,
    onEnded(listener) {
      child.once('error', (error) => listener({ reason: error.message, outOfMemory: false }))
      child.once('close', (code, signal) =>
        listener({ reason: `it ended with ${signal ?? `code ${code}`}`, outOfMemory: saysOutOfMemory(stderr) }),
      )
    },
    kill: () => void child.kill('SIGKILL'),
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

/** What V8, isolated-vm and the C++ library write before they abort for want of memory. */
export function saysOutOfMemory(stderr: string): boolean {
  return /out of memory|out-of-memory|is_heap_oom|heap limit|invalid table size|Allocation failed/i.test(stderr)
}
