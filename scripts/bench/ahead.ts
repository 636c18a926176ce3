/** The measuring process before all others, so that its own wait for a processor is not in what it measures: a caller elsewhere has a processor of its own. */
import { execFileSync } from 'node:child_process'

const REAL_TIME = ['--all-tasks', '--reset-on-fork', '--fifo', '--pid', '1']
const USUAL = ['--all-tasks', '--other', '--pid', '0']

/** Runs `measure` so where the host lets it (root, chrt of util-linux), else as it is. What it starts is not ahead. */
export async function ahead<T>(measure: (isAhead: boolean) => Promise<T>): Promise<T> {
  const isAhead = schedule(REAL_TIME)
  try {
    return await measure(isAhead)
  } finally {
    if (isAhead) schedule(USUAL)
  }
}

function schedule(how: readonly string[]): boolean {
  try {
    execFileSync('chrt', [...how, String(process.pid)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
