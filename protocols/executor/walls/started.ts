/** A process that was started, by this one or for it, and its pipe. */
import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { OsirisError } from '#protocols/errors'
import { lastWords, writeAndClose } from './stdio.ts'

const PIPE = 3
const SECCOMP = 4

/** How it ended, and the last it wrote to stderr; or why it never began. */
export type Over = { code: number | null; signal: NodeJS.Signals | null; stderr: string } | { error: string }

export interface Started {
  /** 0 until it has begun. */
  readonly pid: number
  readonly pipe: Socket
  readonly isOver: boolean
  /** Called once; at once when it has begun already. */
  onBegun(listener: () => void): void
  /** Called once. */
  onOver(listener: (how: Over) => void): void
  /** Neither the process nor its pipe keeps this one alive. */
  unref(): void
}

/** By this process. Throws `unavailable` when the host gives no pipe. */
export function startHere([program, ...args]: readonly [string, ...string[]], seccomp?: Buffer): Started {
  const pipes = seccomp === undefined ? (['pipe', 'pipe'] as const) : (['pipe', 'pipe', 'pipe'] as const)
  // A group of its own: what is meant for the node at a terminal is not for its workers, and one signal reaches all of it.
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', ...pipes], env: {}, cwd: '/', detached: true })
  const pipe = child.stdio[PIPE] as Socket | null | undefined
  if (pipe === null || pipe === undefined) throw new OsirisError('unavailable', 'Cannot start a worker process: the host gives no pipe')
  if (seccomp !== undefined) writeAndClose(child.stdio[SECCOMP] as Socket | null, seccomp)
  const stderr = lastWords(child.stderr)
  return {
    pid: child.pid ?? 0,
    pipe,
    get isOver() {
      return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
    },
    onBegun(listener) {
      if (child.pid !== undefined) listener()
    },
    onOver(listener) {
      child.once('error', (error) => listener({ error: error.message }))
      child.once('close', (code, signal) => listener({ code, signal, stderr: stderr() }))
    },
    unref() {
      child.unref()
      pipe.unref()
      ;(child.stderr as Socket | null)?.unref()
    },
  }
}
