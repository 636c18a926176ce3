import { setTimeout as sleep } from 'node:timers/promises'
import { underCalls } from './calls.ts'

const LASTS_MS = 16_000
/** THREATS 3: its share falls within so long. */
const SHUNNED_MS = 10_000
const RUN_MS = 10
const STOP_MS = 90

/** THREATS 3, gray failure: a tenth of the processor. By signals, since not every host lets us have a cgroup; it is the more ragged of the two. */
export const slowOne = underCalls({
  name: 'slow-one',
  does: `any one node and its workers run ${RUN_MS} of every ${RUN_MS + STOP_MS} ms for ${LASTS_MS / 1000} s while functions are called through the others`,
  holds: 'as for pause-one; ten seconds later it runs at most a tenth of the calls, and p99 is at most twice what it was before',
  lastsMs: LASTS_MS,
  shunnedAfterMs: SHUNNED_MS,
  async strike(node) {
    const healed = new AbortController()
    const slowing = (async () => {
      while (!healed.signal.aborted) {
        node.signalAll('SIGSTOP')
        await sleep(STOP_MS)
        node.signalAll('SIGCONT')
        await sleep(RUN_MS)
      }
    })()
    return {
      isAsked: false,
      async heal() {
        healed.abort()
        await slowing
      },
    }
  },
})
