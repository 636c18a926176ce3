/** Routers with schedules on a memory mesh in virtual time: what fired where and when, whatever is killed, cut off or made anew. */
import type { FunctionRecord } from '#protocols/catalog'
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { createEvents, type Events } from '#protocols/events'
import { failed, type Invocation, NO_TIMING, type Outcome } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import { functionConfigSchema, type FunctionConfig, type Manifest, settingsOf, versionOf } from '#protocols/manifest'
import { MemoryMesh, type Network } from '#protocols/network'
import { MapStorage, VirtualTime } from '../virtual.world.ts'
import { Routers } from '../routers.ts'
import { Schedules } from './schedules.ts'
import { serveSchedules } from './serve.ts'

export interface Fire {
  node: string
  key: string
  /** The id of its tick. */
  id: string
  /** Milliseconds since the world began. */
  atMs: number
}

export interface WorldNode {
  name: string
  storage: MapStorage
  skewMs: number
  network: Network
  routers: Routers
  schedules: Schedules
  events: Events
  alive: boolean
}

export class World {
  readonly time = new VirtualTime()
  readonly mesh: MemoryMesh
  readonly nodes = new Map<string, WorldNode>()
  readonly fires: Fire[] = []
  readonly ended: { key: string; code: string | null }[] = []
  readonly #records = new Map<string, FunctionRecord>()
  readonly #seeds = new Map<string, Uint8Array>()
  /** Namespaces that people may read. */
  readable: string[] = []
  /** How long a call takes. */
  runMs = 100
  /** What calls end with, in order; then with a value. */
  readonly failures: { error: OsirisError; started: boolean }[] = []

  constructor(random?: () => number) {
    this.mesh = new MemoryMesh({ clock: this.time.clock(), faults: { delayMs: [1, 5] }, ...(random === undefined ? {} : { random }) })
  }

  async add(name: string, { skewMs = 0, storage = new MapStorage() }: { skewMs?: number; storage?: MapStorage } = {}): Promise<WorldNode> {
    const events = createEvents((error) => {
      throw error
    })
    const seed =
      this.#seeds.get(name) ?? Uint8Array.from({ length: 32 }, (_, at) => (digestOf(Buffer.from(name)).codePointAt(at) ?? 0) & 255)
    this.#seeds.set(name, seed)
    const network = this.mesh.network({ name, roles: ['router'], events, seed })
    const node = { name, storage, skewMs, network, events, alive: true } as WorldNode
    const clock = this.time.clock(
      () => node.skewMs,
      () => node.alive,
    )
    node.routers = new Routers({ network, clock, events, storage })
    node.schedules = new Schedules({
      ...{ network, events, storage, clock, nodeName: name, routers: node.routers },
      catalog: {
        all: () => [...this.#records.values()],
        get: ({ namespace, name: of }) => {
          const record = this.#records.get(`${namespace}/${of}`)
          if (record === undefined) throw new OsirisError('not_found', `Cannot find "${namespace}/${of}"`)
          return record
        },
      },
      invoke: (invocation) => this.#invoke(node, invocation, clock),
    })
    serveSchedules(network, node.schedules, {
      principalOf: () => ({ subject: 'ada', grants: [{ can: ['read'], namespaces: this.readable }] }),
    })
    events.on('schedule.ended', ({ namespace, name: of, code }) => this.ended.push({ key: `${namespace}/${of}`, code }))
    this.nodes.set(name, node)
    await network.start()
    await node.routers.start()
    await node.schedules.start()
    return node
  }

  /** As `kill -9`: nothing of it runs on. */
  async kill(name: string): Promise<WorldNode> {
    const node = this.node(name)
    node.alive = false
    await this.mesh.kill(node.network)
    await node.schedules.stop()
    await node.routers.stop()
    this.nodes.delete(name)
    return node
  }

  /** All at once. What each waits for in vain takes a moment, which has to pass. */
  async killAll(...names: string[]): Promise<WorldNode[]> {
    const killing = Promise.all(names.map((name) => this.kill(name)))
    await this.time.pass(2000)
    return killing
  }

  node(name: string): WorldNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`no node ${name}`)
    return node
  }

  publish(name: string, config: FunctionConfig): string {
    const digest = digestOf(Buffer.from(name))
    const manifest: Manifest = {
      ...{ format: 1, namespace: 'demo', name, artifact: { digest, bytes: 1 }, parameters: [], tests: [] },
      source: { digest, entry: 'a.js', language: 'javascript' },
      settings: settingsOf(functionConfigSchema.parse(config)),
      provenance: { node: 'none', tools: [], files: [] },
    }
    const record = {
      ...{ namespace: 'demo', name, version: versionOf(manifest), ordinal: 1, manifest, aliases: {}, versions: 1 },
      ...{ publishedAt: 0, publishedBy: 'test', author: '' },
    }
    this.#records.set(`demo/${name}`, record)
    this.#tell(name)
    return `demo/${name}`
  }

  retire(name: string): void {
    this.#records.delete(`demo/${name}`)
    this.#tell(name)
  }

  /** Who owns it, by the word of the first node. */
  ownerOf(key: string): string {
    const [first] = this.nodes.values()
    const owner = first?.schedules.routers.ownerOf(key)
    return [...this.nodes.values()].find((each) => each.network.peer === owner)?.name ?? ''
  }

  /** The node whose peer id has so many lesser ones. */
  leastBut(place: number): string {
    return [...this.nodes.values()].toSorted((a, b) => (a.network.peer < b.network.peer ? -1 : 1))[place]?.name ?? ''
  }

  /** How often each tick fired, by its time of the day. */
  ticks(key: string): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const each of this.fires) if (each.key === key) counts[each.id.slice(-13, -5)] = (counts[each.id.slice(-13, -5)] ?? 0) + 1
    return counts
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.values()) {
      await node.schedules.stop()
      await node.routers.stop()
    }
    // Goodbyes take a moment, which has to pass.
    const stopping = this.mesh.stop()
    await this.time.pass(10_000)
    await stopping
  }

  #tell(name: string): void {
    for (const { events } of this.nodes.values()) events.emit('catalog.changed', { namespace: 'demo', name })
  }

  async #invoke(node: WorldNode, { target, trigger }: Invocation, clock: Clock): Promise<Outcome> {
    if (!('name' in target) || trigger === undefined) throw new Error('not a tick')
    const failure = this.failures.shift()
    if (failure?.started === false) return failed(failure.error)
    this.fires.push({ node: node.name, key: `${target.namespace}/${target.name}`, id: trigger.id, atMs: this.time.nowMs })
    await new Promise<void>((resolve) => clock.after(this.runMs, resolve))
    if (failure !== undefined) return failed(failure.error, {}, true)
    return { kind: 'value', value: Buffer.from('null'), meta: { version: '', node: node.name, hops: 0, timing: NO_TIMING } }
  }
}
