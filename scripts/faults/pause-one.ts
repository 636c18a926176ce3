import { underCalls } from './calls.ts'

const PAUSE_MS = 8000

/** THREATS 3: a process that is frozen; what stalls an event loop for seconds looks the same from outside. */
export const pauseOne = underCalls({
  name: 'pause-one',
  does: `SIGSTOP of any one node and its workers for ${PAUSE_MS / 1000} s while functions are called through the others, then SIGCONT`,
  holds:
    'every other node answers a call within 2 s; 99.9 % of idempotent calls are answered, since they are hedged; no other call is started twice, when it goes on neither; every call ends in time, with an honest code',
  lastsMs: PAUSE_MS,
  async strike(node) {
    node.signalAll('SIGSTOP')
    return { isAsked: false, heal: async () => node.signalAll('SIGCONT') }
  },
})
