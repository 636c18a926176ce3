/** A node that must not outlive somebody stops when that one is gone. */
import type { Readable } from 'node:stream'
import { isRunning, type ProcessMark } from './process.ts'

/** The line by which whoever holds the standard input lets a node live on alone. */
export const RELEASE = 'release'

/** How long a node may go on after a process it hangs on has ended. */
const LOOK_MS = 500

/** Calls `onCut` once. `value` is what OSIRIS_LIFELINE says; absent or malformed: nobody to hang on. Never keeps the process alive. */
export function watchLifeline(value: string | undefined, input: Readable & { unref?: () => void }, onCut: () => void): void {
  if (value === undefined || value === '') return
  if (value === 'stdin') {
    return watchInput(input, onCut)
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

function watchInput(input: Readable & { unref?: () => void }, onCut: () => void): void {
  let said = ''
  let ended = false
  const end = () => {
    if (!ended && !said.split('\n').includes(RELEASE)) onCut()
    ended = true
  }
  input.on('data', (chunk: Buffer | string) => (said = (said + String(chunk)).slice(-64)))
  for (const event of ['end', 'close', 'error']) input.once(event, end)
  input.on('error', () => {})
  // Whoever read the join token before paused it.
  input.resume()
  input.unref?.()
}

function markFrom(value: string): ProcessMark | undefined {
  try {
    const mark = JSON.parse(value) as Partial<ProcessMark> | null
    return typeof mark?.pid === 'number' && typeof mark.startedAs === 'string' ? { pid: mark.pid, startedAs: mark.startedAs } : undefined
  } catch {
    return undefined
  }
}
