import { underCalls } from './calls.ts'

/** THREATS 3: kill -9 of a router, of an executor, of a node that is both, in the midst of calls. */
export const killOne = underCalls({
  name: 'kill-one-of-five',
  does: 'kill -9 of any one node while functions are called through all; it starts again on its disk',
  holds:
    'every other node answers a call within 2 s; 99.9 % of idempotent calls are answered; no other call is started twice; every call ends in time, with an honest code',
  isQuick: true,
  lastsMs: 0,
  async strike(node, universe) {
    await node.kill()
    return {
      isAsked: false,
      async heal() {
        universe.revive(node)
        await universe.heal()
      },
    }
  },
})
