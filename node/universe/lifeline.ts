/** A node that must not outlive somebody stops when that one is gone. */
import type { Readable } from 'node:stream'
import { isRunning, type ProcessMark } from './process.ts'

/** How long a node may go on after a process it hangs on has ended. */
const LOOK_MS = 500

/** Calls `onCut` once. `value` is what OSIRIS_LIFELINE says; absent or malformed: nobody to hang on. Never keeps the process alive. */
export function watchLifeline(value: string | undefined, input: Readable & { unref?: () => void }, onCut: () => void): void {
  if (value === undefined || value === '') return
  if (value === 'stdin') {
    input.once('end', onCut)
    input.once('close', onCut)
    input.on('error', onCut)
    input.resume()
    input.unref?.()
    return
  }
  const mark = markFrom(value)
  if (mark === undefined) return
  const timer = setInterval(() => {
    if (isRunning(mark)) return
    clearInterval(timer)
    onCut()
  }, LOOK_MS)
  timer.unref()
}

function markFrom(value: string): ProcessMark | undefined {
  try {
    const mark = JSON.parse(value) as Partial<ProcessMark> | null
    return typeof mark?.pid === 'number' && typeof mark.startedAs === 'string' ? { pid: mark.pid, startedAs: mark.startedAs } : undefined
  } catch {
    return undefined
  }
}
