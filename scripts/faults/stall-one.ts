import { underCalls } from './calls.ts'

const STALL_MS = 5000

/** THREATS 3: the event loop of a node stands still, while its workers and what it has open go on. From outside it cannot be told from a stopped main process. */
export const stallOne = underCalls({
  name: 'stall-one',
  does: `the main process of any one node stands still for ${STALL_MS / 1000} s, its workers do not, while functions are called through the others`,
  holds: 'as for pause-one',
  lastsMs: STALL_MS,
  async strike(node) {
    node.signal('SIGSTOP')
    return { isAsked: false, heal: async () => node.signal('SIGCONT') }
  },
})
