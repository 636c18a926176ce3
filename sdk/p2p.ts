/** Reaching a universe as a peer of its mesh: no role, no HTTP, no fixed node. Loaded by `connect({ join })` only. */
import { formatJoinToken, parseJoinToken } from '#protocols/access'
import { BuilderClient } from '#protocols/builder'
import { CatalogClient } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import type { Caller } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { createLibp2pNetwork, type Network } from '#protocols/network'
import { askForSchedules, CallsClient, RouterClient, TopicsClient } from '#protocols/router'
import type { JoinOptions } from './index.ts'
import { meshTransport } from './mesh.ts'
import type { Transport } from './transport.ts'

const JOIN_TIMEOUT_MS = 10_000
const ROLES_NEEDED = ['router', 'catalog', 'builder'] as const
/** Once a router is known: how long the other roles may still take to be heard of. A universe may lack them. */
const ROLES_GRACE_MS = 1_500

export async function joinTransport(options: JoinOptions): Promise<Transport> {
  const { universe, bootstrap, token } = parseJoinToken(options.join)
  const shared = { clock: systemClock, random: Math.random, events: createEvents() }
  const network = await createLibp2pNetwork({
    ...shared,
    seed: crypto.getRandomValues(new Uint8Array(32)),
    universe,
    listen: [],
    bootstrap,
    beat: { name: 'client', roles: [], capacity: 0 },
    dht: false,
  })
  const caller = callerOf(options.token ?? token)
  const catalog = new CatalogClient({ ...shared, network, caller })
  const stop = async (): Promise<void> => {
    await catalog.stop()
    await network.stop()
  }
  try {
    await network.start()
    await catalog.start()
    await heardOfRoles(network, options.timeoutMs ?? JOIN_TIMEOUT_MS, universe.name)
  } catch (error) {
    await stop()
    throw OsirisError.from(error, `Cannot join universe "${universe.name}"`, 'unavailable')
  }
  const router = new RouterClient({ ...shared, network })
  const asker = { network, random: Math.random }
  const topics = new TopicsClient(asker)
  const calls = new CallsClient(asker)
  const clients = { router, topics, calls, builder: new BuilderClient({ ...shared, network }), catalog }
  const timeout = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }
  const joinToken = formatJoinToken({ universe, bootstrap })
  const schedules = (namespace?: string) => askForSchedules(asker, caller, namespace)
  return meshTransport({ ...clients, schedules, network, universe, caller, joinToken, clock: systemClock, stop, ...timeout })
}

function callerOf(token: string | undefined): Caller {
  return token === undefined ? { subject: 'anonymous' } : { subject: 'client', token }
}

/** Ends when a router is known, and a moment later even if no catalog or builder is. Throws `unavailable`. */
async function heardOfRoles(network: Network, timeoutMs: number, universe: string): Promise<void> {
  const knows = (role: (typeof ROLES_NEEDED)[number]): boolean => network.members.withRole(role).length > 0
  await until(network, () => knows('router'), timeoutMs)
  if (!knows('router')) {
    throw new OsirisError(
      'unavailable',
      `Cannot join universe "${universe}": no router was heard of within ${timeoutMs} ms (members: ${network.members.list().length})`,
    )
  }
  await until(network, () => ROLES_NEEDED.every(knows), ROLES_GRACE_MS)
}

function until(network: Network, holds: () => boolean, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => done(), timeoutMs)
    const unlisten = network.members.onChange(() => {
      if (holds()) done()
    })
    const done = (): void => {
      clearTimeout(timer)
      unlisten()
      resolve()
    }
    if (holds()) done()
  })
}
