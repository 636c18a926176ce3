/** Processes by identity: a pid alone is soon somebody else's. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessMark {
  pid: number
  /** When it started, in the host's own words; with the pid it names one process for ever. */
  startedAs: string
}

/** How often a process that was told to end is looked for. */
const LOOK_MS = 20

/** What says that this process cannot look now, and nothing of the one it looks for. */
const BLIND = ['EMFILE', 'ENFILE', 'ENOMEM']

/** The mark of a process that runs now; `undefined` when there is none (a zombie is none), or when nobody can tell. */
export function markOf(pid: number): ProcessMark | undefined {
  try {
    const startedAs = startOf(pid)
    return startedAs === undefined ? undefined : { pid, startedAs }
  } catch {
    return undefined
  }
}

/** Whether the process that was marked still runs. While this one may open no more files, whether any process has its pid. */
export function isRunning(mark: ProcessMark): boolean {
  if (!Number.isInteger(mark.pid) || mark.pid <= 0) return false
  try {
    return startOf(mark.pid) === mark.startedAs
  } catch {
    return isThere(mark.pid)
  }
}

/** Sends a signal to exactly this process; `false` when it is gone, or when nobody can tell. */
export function signal(mark: ProcessMark, name: NodeJS.Signals): boolean {
  if (markOf(mark.pid)?.startedAs !== mark.startedAs) return false
  try {
    process.kill(mark.pid, name)
    return true
  } catch {
    return false
  }
}

/** Waits until all are gone; `false` when the time was up first. */
export async function gone(marks: readonly ProcessMark[], timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs
  while (marks.some(isRunning)) {
    if (performance.now() > end) return false
    await sleep(LOOK_MS)
  }
  return true
}

/** SIGTERM, then SIGKILL for what has not ended after `timeoutMs`. Returns the pids that had to be killed. */
export async function terminate(marks: readonly ProcessMark[], timeoutMs: number): Promise<number[]> {
  for (const mark of marks) signal(mark, 'SIGTERM')
  if (await gone(marks, timeoutMs)) return []
  const killed = marks.filter((mark) => signal(mark, 'SIGKILL')).map((mark) => mark.pid)
  await gone(marks, 2000)
  return killed
}

/** Throws when this process cannot look now. */
function startOf(pid: number): string | undefined {
  try {
    return process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid)
  } catch (error) {
    if (BLIND.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return undefined
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Field 22 of proc_pid_stat(5), counted after the command, which may hold spaces and brackets; the boot id, since ticks begin anew. */
function startFromProc(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${bootId()}:${fields[19] ?? ''}`
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
  } catch (error) {
    if (BLIND.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return ''
  }
}

function startFromPs(pid: number): string | undefined {
  const lines = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return lines.trim() || undefined
}
