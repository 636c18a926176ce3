import { underCalls } from './calls.ts'

/** THREATS 3: kill -9 of worker processes in the midst of calls. */
export const killWorkers = underCalls({
  name: 'kill-workers',
  does: 'kill -9 of every process below any one node (its workers and what starts them) while functions are called through all',
  holds:
    'the node lives and has answered a call within 2 s; 99.9 % of idempotent calls are answered; no other call is started twice; calls that are lost say worker_crashed',
  lastsMs: 1000,
  async strike(node) {
    node.signalWorkers('SIGKILL')
    return { isAsked: true, heal: async () => {} }
  },
})
