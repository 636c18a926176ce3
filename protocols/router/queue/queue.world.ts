/** Routers with queues on a memory mesh, in virtual time, each with a disk that survives it. */
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import type { Startable } from '#protocols/lifecycle'
import { MemoryMesh, type Network, sequence } from '#protocols/network'
import { Dice, NodeClock, type Owner, Scheduler, Trace, VirtualDisk } from '#protocols/simulation'
import { Routers } from '../triggers/routers.ts'
import type { NewItem, QueueItem, Verdict } from './queue.ts'
import { QueueService, type QueueServiceInit } from './service.ts'

/** Members have heard of each other, and of who is gone. */
const SETTLE_MS = 4000

export interface Node {
  name: string
  network: Network
  queue: QueueService
  clock: NodeClock
}

export interface Attempt {
  node: string
  id: string
  atMs: number
  item: QueueItem
}

type Answer = (attempt: Attempt, signal: AbortSignal) => Promise<Verdict> | Verdict

export class QueueWorld {
  readonly scheduler = new Scheduler(new Trace())
  readonly mesh: MemoryMesh
  readonly attempts: Attempt[] = []
  readonly logs: string[] = []
  /** What handlers of the kind `work` answer. */
  answer: Answer = () => ({ kind: 'done' })
  init: Partial<QueueServiceInit> = {}
  options: Parameters<QueueService['handle']>[2] = {}
  readonly #dice: Dice
  readonly #outside: Owner = { name: 'world', alive: true, waiting: 0 }
  readonly #clock: NodeClock
  readonly #disks = new Map<string, VirtualDisk>()
  readonly #seeds = new Map<string, Uint8Array>()
  readonly #owners = new Map<string, Owner>()
  readonly #nodes = new Map<string, Node>()
  /** Builds more onto a node that starts. */
  onStart: (node: Node) => Startable | undefined = () => undefined

  constructor(seed = 1) {
    this.#dice = new Dice(seed)
    this.#clock = new NodeClock(this.scheduler, this.#outside, { offsetMs: 0, rate: 1 })
    this.mesh = new MemoryMesh({ clock: this.#clock, random: sequence(seed), faults: { delayMs: [0.2, 3] } })
  }

  get now(): number {
    return this.#clock.now()
  }

  node(name: string): Node {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new Error(`no node "${name}" is up`)
    return node
  }

  nodes(): Node[] {
    return [...this.#nodes.values()]
  }

  disk(name: string): VirtualDisk {
    const disk = this.#disks.get(name) ?? new VirtualDisk(this.scheduler, this.#dice.fork(name))
    this.#disks.set(name, disk)
    return disk
  }

  async start(...names: string[]): Promise<void> {
    for (const name of names) {
      const seed = this.#seeds.get(name) ?? this.#dice.bytes(32)
      const owner: Owner = { name, alive: true, waiting: 0 }
      this.#seeds.set(name, seed)
      this.#owners.set(name, owner)
      const network = this.mesh.network({ name, roles: ['router'], seed })
      const clock = new NodeClock(this.scheduler, owner, { offsetMs: 0, rate: 1 })
      const events = createEvents()
      events.on('log', ({ text }) => this.logs.push(`${name}: ${text}`))
      const random = this.#dice.fork(`${name} ${this.scheduler.now}`).random
      const storage = this.disk(name).open(owner)
      const routers = new Routers({ network, clock, events, storage })
      const queue = new QueueService({ network, routers, clock, random, events, storage, ...this.init })
      const node = { name, network, queue, clock }
      this.#nodes.set(name, node)
      queue.handle('work', (item, { signal }) => this.#attempt(node, item, signal), this.options)
      const more = this.onStart(node)
      await this.end(network.start())
      await this.end(routers.start())
      await this.end(queue.start())
      await more?.start()
    }
    await this.run(SETTLE_MS)
  }

  async #attempt({ name }: Node, item: QueueItem, signal: AbortSignal): Promise<Verdict> {
    const attempt = { node: name, id: item.id, atMs: this.scheduler.now, item }
    this.attempts.push(attempt)
    return this.answer(attempt, signal)
  }

  /** From its next start on this one has another key. */
  forgetKey(name: string): void {
    this.#seeds.delete(name)
  }

  /** As `kill -9` and the loss of power: nothing of it runs on, what was not synced may be lost. */
  async kill(name: string): Promise<void> {
    const owner = this.#owners.get(name)
    if (owner !== undefined) owner.alive = false
    this.#nodes.delete(name)
    this.disk(name).crash()
    await this.end(this.mesh.kill(name))
  }

  run(ms: number): Promise<void> {
    return this.scheduler.runUntil(this.scheduler.now + ms)
  }

  async until(holds: () => boolean, withinMs = 30_000): Promise<void> {
    await this.scheduler.runUntil(this.scheduler.now + withinMs, holds)
    if (!holds()) throw new Error(`not within ${withinMs} ms: ${holds.toString()}; ${this.logs.slice(-5).join('; ')}`)
  }

  /** Lets time pass until the work ends, as it ends. */
  async end<T>(work: Promise<T>, withinMs = 60_000): Promise<T> {
    let over = false
    const ended = work.finally(() => (over = true))
    ended.catch(() => {})
    // Something always waits, so that promises have their turn where nothing else does.
    const tick = () => this.scheduler.after(this.#outside, 1, () => void (over || tick()))
    tick()
    await this.scheduler.runUntil(this.scheduler.now + withinMs, () => over)
    if (!over) throw new Error(`not within ${withinMs} ms`)
    return ended
  }

  item(id: string, parts: Partial<NewItem> = {}): NewItem {
    return { id, key: 'demo/work', kind: 'work', payload: Buffer.from(`do ${id}`), expiresAt: this.now + 600_000, ...parts }
  }

  attemptsOf(id: string): Attempt[] {
    return this.attempts.filter((each) => each.id === id)
  }
}

export function trouble(message = 'Cannot do it: not now'): OsirisError {
  return new OsirisError('unavailable', message)
}

export function waitFor(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}
