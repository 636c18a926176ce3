/** THREATS 3: a process that may open no more files (EMFILE). */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../bench/children.ts'
import { OsirisError } from '#protocols/errors'
import { NAMESPACE } from './deployers.ts'
import { type Play, underNetwork } from './network.ts'
import type { FaultNode } from './node.ts'

const LASTS_MS = 10_000
const QUICK_MS = 4000
/** THREATS: `ulimit 64`. A node has more than that open when it is idle, so that no new one can be. */
const FILES_MAX = 64
/** Clients that come meanwhile. */
const CLIENTS = 40
const BACK_MS = 15_000
const LOOK_MS = 200

export const fewFiles = underNetwork({
  name: 'few-files',
  does: `any one node may open no more files (a limit of ${FILES_MAX}, below what it has) for ${LASTS_MS / 1000} s, while ${CLIENTS} more clients come and functions are called and deployed through all`,
  holds:
    'it goes on, and takes calls and writes again by itself afterwards; nothing acknowledged is lost, no call is started twice, every call ends in time; all agree and answer calls within 10 s of the end',
  isEverywhere: true,
  strikes: 5,
  lastsMs: LASTS_MS,
  quickMs: QUICK_MS,
  async play({ universe, dice, lastsMs }: Play) {
    const node = dice.pick(universe.nodes) as FaultNode
    const limit = (most: string) => run('prlimit', ['--pid', String(node.pid), `--nofile=${most}`])
    const { stdout } = await run('prlimit', ['--pid', String(node.pid), '--nofile', '--noheadings', '--output', 'SOFT,HARD'])
    await limit(`${FILES_MAX}:`)
    const clients = Array.from({ length: CLIENTS }, () => clientOf(node))
    await sleep(lastsMs)
    await limit(stdout.trim().split(/\s+/).join(':'))
    for (const client of clients) client.destroy()
    return writesAgain(node)
  },
})

function clientOf(node: FaultNode): Socket {
  const { port, hostname } = new URL(node.url ?? '')
  return connect(Number(port), hostname).on('error', () => {})
}

/** B5: without a hand, a handle of the ledger that broke included. */
async function writesAgain(node: FaultNode): Promise<string[]> {
  const end = performance.now() + BACK_MS
  let last = ''
  while (performance.now() < end) {
    const source = `export default () => ${performance.now()}`
    const asked = { namespace: NAMESPACE, name: 'back', source, language: 'javascript', ack: 'committed', timeoutMs: 4000 } as const
    const error = await node.client?.deploy(asked).then(
      () => undefined,
      (thrown: unknown) => OsirisError.from(thrown, 'Cannot deploy'),
    )
    if (error === undefined) return []
    last = error.message
    await sleep(LOOK_MS)
  }
  return [`${node.name} takes no write ${BACK_MS} ms after it could open files again: ${last}`]
}
