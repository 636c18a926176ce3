/** Nodes on a memory mesh whose executors keep instances of nothing: what is ordered is ready at once. Their clock runs faster than the host's. */
import type { FunctionRecord, Setting } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents, type Events } from '#protocols/events'
import { ExecutorClient, type InstanceCount, type ScaleOrder, serveExecutor } from '#protocols/executor'
import type { Clock, Role } from '#protocols/lifecycle'
import { systemClock } from '#protocols/lifecycle'
import type { FunctionConfig } from '#protocols/manifest'
import { MemoryMesh, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { accessOf, FakeCatalog, versionFor } from '../router.world.ts'
import { Scaling } from './scaling.ts'

/** Seconds become quarters of seconds: what expires after five of them outlasts a host that stands still for a second. */
const FASTER = 4

const fastClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * FASTER,
  after: (delayMs, run) => systemClock.after(delayMs / FASTER, run),
}

class FakeInstances {
  readonly nodeName = 'fake'
  /** Calls at once, of every version with an instance or without. */
  readonly load = new Map<string, number>()
  readonly kept = new Map<string, ScaleOrder>()
  /** No more than so many instances fit, of all versions. */
  room = Number.POSITIVE_INFINITY
  readonly #used = new Map<string, { namespace: string; name: string; callMs: number; atMs: number; calledAtMs: number }>()

  instances(): InstanceCount[] {
    const now = fastClock.monotonic()
    return [...this.#used].map(([version, used]) => {
      const load = this.load.get(version) ?? 0
      used.callMs += load * (now - used.atMs)
      used.atMs = now
      if (load > 0) used.calledAtMs = now
      const kept = this.kept.get(version)?.instances ?? 0
      const { namespace, name, callMs, calledAtMs } = used
      const ready = Math.max(kept, load > 0 ? 1 : 0)
      return { namespace, name, version, ready, starting: 0, kept, running: 0, waiting: 0, quietMs: Math.round(now - calledAtMs), callMs }
    })
  }

  scale(order: ScaleOrder): Promise<InstanceCount> {
    const before = this.kept.get(order.version)?.instances ?? 0
    const all = [...this.kept.values()].reduce((sum, each) => sum + each.instances, 0)
    if (all - before + order.instances > this.room) return Promise.reject(new OsirisError('overloaded', 'Cannot keep it: no room'))
    this.use(order.namespace, order.name, order.version)
    this.kept.set(order.version, order)
    const count = this.instances().find((each) => each.version === order.version)
    return Promise.resolve(count as InstanceCount)
  }

  use(namespace: string, name: string, version: string, load = this.load.get(version) ?? 0): void {
    const atMs = fastClock.monotonic()
    if (!this.#used.has(version)) this.#used.set(version, { namespace, name, callMs: 0, atMs, calledAtMs: 0 })
    this.load.set(version, load)
  }

  rescale(): void {}

  now(): number {
    return fastClock.monotonic()
  }

  invoke(): Promise<never> {
    return Promise.reject(new OsirisError('unavailable', 'Cannot run: this is a test'))
  }

  recordOf(): never {
    throw new OsirisError('not_found', 'Cannot run: this is a test')
  }

  versionOf(): never {
    return this.recordOf()
  }
}

export interface ScalingNode {
  name: string
  network: Network
  scaling: Scaling
  executor: FakeInstances
  events: Events
}

export class ScalingWorld {
  readonly mesh = new MemoryMesh({ clock: fastClock })
  readonly nodes: ScalingNode[] = []
  settings: readonly Setting[] = []
  readonly #catalog = new FakeCatalog()
  readonly #records: FunctionRecord[] = []

  publish(name: string, scale: FunctionConfig['scale']): string {
    this.#catalog.add('demo', name, { scale })
    this.#records.push(this.#catalog.get({ namespace: 'demo', name }) as FunctionRecord)
    return versionFor(name)
  }

  async join(name: string, roles: Role[], init: Partial<{ capacity: number }> = {}): Promise<ScalingNode> {
    const capacity = init.capacity ?? 100
    const network = this.mesh.network({ name, roles, capacity })
    const executor = new FakeInstances()
    const events = createEvents()
    const get = this.#catalog.get.bind(this.#catalog)
    const scaling = new Scaling({
      ...{ network, clock: fastClock, events, capacity, traits: {} },
      catalog: { get, all: () => this.#records, settings: () => this.settings },
      executor: roles.includes('executor') ? executor : undefined,
      remote: new ExecutorClient({ network, clock: fastClock }),
      has: (role) => roles.includes(role),
    })
    await network.start()
    const node: ScalingNode = { name, network, scaling, executor, events }
    if (roles.includes('executor'))
      serveExecutor(network, { executor, access: accessOf(), mayOrder: (peer, order) => scaling.mayOrder(peer, order) })
    await scaling.start()
    this.nodes.push(node)
    return node
  }

  async joinAll(...nodes: [name: string, roles: Role[]][]): Promise<void> {
    for (const [name, roles] of nodes) await this.join(name, roles)
    await until(() => this.nodes.every((each) => each.network.members.list().length === this.nodes.length - 1))
  }

  /** Instances that are ordered on each executor, by name. */
  kept(version: string): Record<string, number> {
    return Object.fromEntries(this.nodes.map(({ name, executor }) => [name, executor.kept.get(version)?.instances ?? 0]))
  }

  total(version: string): number {
    return Object.values(this.kept(version)).reduce((sum, each) => sum + each, 0)
  }

  async kill(name: string): Promise<void> {
    const at = this.nodes.findIndex((each) => each.name === name)
    const [node] = this.nodes.splice(at, 1)
    await node?.scaling.stop()
    await this.mesh.kill(name)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((each) => each.scaling.stop()))
    await this.mesh.stop()
  }
}
