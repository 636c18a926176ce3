/** Nodes on a memory mesh: a client without roles, routers, and executors that count. */
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import type { Executor } from '#protocols/executor'
import { failed, type PlacedInvocation } from '#protocols/invocation'
import { decodeOutcome, decodePlacedInvocation, encodeInvocation, encodeOutcome } from '#protocols/invocation-wire'
import { type Role, systemClock } from '#protocols/lifecycle'
import { MemoryMesh, type MemoryMeshInit, type Network, type Peer } from '#protocols/network'
import { until } from '#protocols/until'
import { RouterClient } from './client.ts'
import { accessOf, demoCatalog, FakeExecutor } from './router.world.ts'
import { serveRouter } from './serve.ts'
import { RouterService } from './service.ts'

const EXECUTOR_PROTOCOL = 'executor/1'

export interface Mesh {
  mesh: MemoryMesh
  client: RouterClient
  routers: RouterService[]
  executors: FakeExecutor[]
  networks: Map<string, Network>
  stop(): Promise<void>
}

/** Starts `router-1…`, `executor-1…` and `client`, and waits until everybody knows everybody. */
export async function createMesh(counts: { routers: number; executors: number }, init: MemoryMeshInit = {}): Promise<Mesh> {
  const mesh = new MemoryMesh(init)
  const starts = new Map<string, number>()
  const networks = new Map<string, Network>()
  const join = (name: string, roles: Role[]) => {
    const network = mesh.network({ name, roles })
    networks.set(name, network)
    return network
  }
  const executors = namesOf('executor', counts.executors).map((name) => serveFake(join(name, ['executor']), new FakeExecutor(name, starts)))
  const routers = namesOf('router', counts.routers).map((name) => routerOn(join(name, ['router'])))
  const network = join('client', [])
  const client = new RouterClient({ network, clock: systemClock, random: Math.random })
  for (const each of networks.values()) await each.start()
  const all = [...networks.values()]
  await everybodyKnown(
    all,
    all.filter((each) => each !== network),
  )
  return { mesh, client, routers, executors, networks, stop: () => mesh.stop() }
}

function namesOf(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${index + 1}`)
}

function routerOn(network: Network): RouterService {
  const { members, peer } = network
  const remote = { at: (to: Peer) => executorAt(network, to) }
  const events = createEvents()
  const catalog = demoCatalog()
  const init = {
    network,
    executor: undefined,
    remote,
    members,
    peer,
    events,
    catalog,
    access: accessOf(),
    clock: systemClock,
    random: Math.random,
  }
  const router = new RouterService(init)
  serveRouter(network, router)
  return router
}

function serveFake(network: Network, executor: FakeExecutor): FakeExecutor {
  network.handle(EXECUTOR_PROTOCOL, async (request) => {
    const invocation = await decodePlacedInvocation(request, { now: systemClock.monotonic(), signal: request.signal })
    return encodeOutcome(await executor.invoke(invocation))
  })
  return executor
}

/** The least an executor's client does: one request, and the network's own word on whether it left. */
function executorAt(network: Network, peer: Peer): Pick<Executor, 'invoke'> {
  return {
    async invoke(invocation: PlacedInvocation) {
      const now = systemClock.monotonic()
      const options = {
        timeoutMs: invocation.deadlineAt - now + 600,
        ...(invocation.signal === undefined ? {} : { signal: invocation.signal }),
      }
      try {
        return await decodeOutcome(await network.request(peer, EXECUTOR_PROTOCOL, encodeInvocation(invocation, now), options))
      } catch (thrown) {
        const error = OsirisError.from(thrown, 'Cannot run')
        return failed(error, { version: invocation.version }, error.details?.['sent'] !== false)
      }
    },
  }
}

/** Until each knows every other that has a role: a client without any is nobody's member. */
async function everybodyKnown(networks: readonly Network[], serving: readonly Network[]): Promise<void> {
  const knows = (one: Network, other: Network) => one === other || one.members.get(other.peer) !== undefined
  await until(() => networks.every((one) => serving.every((other) => knows(one, other))))
}
