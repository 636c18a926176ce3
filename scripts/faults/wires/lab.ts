/** A network of one's own for a universe: each node in a network namespace, and between any two of them a link per direction that can be cut, slowed or made lossy. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from '../../bench/cleanup.ts'
import type { Place } from '../place.ts'
import { CLEAR, type Weather } from './link.ts'
import { GATE, HTTP_PORT, meshAddress, nodeAddress, type Order, P2P_PORT, type Reply } from './orders.ts'
import type { Direction } from './shapes.ts'

const EXCHANGE = fileURLToPath(new URL('exchange.ts', import.meta.url))
/** Making five namespaces takes 200 ms; a machine that is busy with others is given its time. */
const READY_MS = 60_000

/** Without the rights of root a namespace of users is made around the others, where the host allows that. */
const isRoot = process.getuid?.() === 0
const MAKE = isRoot ? ['--net'] : ['--user', '--map-root-user', '--net']
const ENTER = isRoot ? ['--net'] : ['--user', '--preserve-credentials', '--net']

/** Why this host cannot have one; nothing when it can. About 20 ms. */
export function unable(): string | undefined {
  if (process.platform !== 'linux') return 'there are no network namespaces here'
  const tried = spawnSync('unshare', [...MAKE, 'sh', '-c', 'ip link add probe0 type vxlan id 7 remote 127.0.0.1 dstport 4789'], {
    encoding: 'utf8',
  })
  if (tried.error !== undefined) return `there is no unshare: ${tried.error.message}`
  return tried.status === 0 ? undefined : `the host allows no network namespace with a VXLAN device: ${tried.stderr.trim()}`
}

export class Lab {
  /** By node. */
  readonly places: readonly Place[]
  readonly #exchange: ChildProcess
  readonly #replies = new Map<number, (reply: { reply: Reply; handle: Server | undefined }) => void>()
  #last = 0

  private constructor(exchange: ChildProcess, places: Place[]) {
    this.#exchange = exchange
    this.places = places
    exchange.on('message', (reply: Reply, handle?: unknown) => {
      this.#replies.get(reply.id)?.({ reply, handle: handle as Server | undefined })
      this.#replies.delete(reply.id)
    })
  }

  /** Nothing of it outlives `cleanup`, nor this process: namespaces end with the processes in them, and with these all devices. */
  static async start(count: number, seed: number, cleanup: Cleanup): Promise<Lab> {
    let exchange: ChildProcess | undefined
    cleanup.add(async () => exchange?.disconnect())
    const args = [...MAKE, process.execPath, EXCHANGE, String(count), String(seed)]
    exchange = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const { holders } = await firstReply(exchange)
    const places: Place[] = []
    const lab = new Lab(exchange, places)
    for (const [node, holder] of holders.entries()) {
      const door = createServer().listen(0, '127.0.0.1')
      await once(door, 'listening')
      const { port } = door.address() as { port: number }
      await lab.#ask({ kind: 'door', node }, door)
      // From now on connections are the exchange's alone.
      door.close()
      places.push(placeOf(node, holder, port))
    }
    return lab
  }

  /** From now on; frames on their way still arrive. Directions that are not named stay as they are. */
  async set(directions: readonly Direction[], weather: Partial<Weather>): Promise<void> {
    await this.#ask({ kind: 'weather', links: directions.map(([from, to]) => [from, to, { ...CLEAR, ...weather }]) })
  }

  /** Every link is as if nothing had been. */
  async clear(): Promise<void> {
    await this.set(this.everywhere(), {})
  }

  /** Every direction there is. */
  everywhere(): Direction[] {
    const nodes = [...this.places.keys()]
    return nodes.flatMap((from) => nodes.flatMap((to): Direction[] => (from === to ? [] : [[from, to]])))
  }

  /** A server for this process that functions of every node can reach, and its URL. */
  async listen(): Promise<{ handle: Server; url: string }> {
    const { reply, handle } = await this.#ask({ kind: 'listen' })
    if (handle === undefined) throw new Error('the exchange gave no server')
    return { handle, url: `http://${GATE}:${reply.port}` }
  }

  #ask(order: Omit<Extract<Order, { kind: 'weather' }>, 'id'> | { kind: 'door'; node: number } | { kind: 'listen' }, handle?: Server) {
    const { promise, resolve, reject } = Promise.withResolvers<{ reply: Reply; handle: Server | undefined }>()
    const id = (this.#last += 1)
    this.#replies.set(id, resolve)
    this.#exchange.send({ ...order, id }, handle, {}, (error) => error !== null && reject(error))
    return promise
  }
}

async function firstReply(exchange: ChildProcess): Promise<{ holders: number[] }> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(READY_MS)])
  const ended = once(exchange, 'exit', { signal }).then(() => {
    throw new Error('the exchange ended before it had made the namespaces; what it said stands above')
  })
  try {
    const [{ holders = [] }] = (await Promise.race([once(exchange, 'message', { signal }), ended])) as [Reply]
    return { holders }
  } finally {
    ended.catch(() => {})
    over.abort()
  }
}

function placeOf(node: number, holder: number, port: number): Place {
  return {
    inside: ['nsenter', '--target', String(holder), ...ENTER],
    http: { host: nodeAddress(node), port: HTTP_PORT },
    p2p: { host: meshAddress(node), port: P2P_PORT },
    url: `http://127.0.0.1:${port}`,
  }
}
