/** A universe of real processes: each node a catalog, so that every one of them signs, acknowledges and keeps. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Role } from '#protocols/lifecycle'
import type { Cleanup } from '../bench/cleanup.ts'
import { until } from '../bench/children.ts'
import { FaultNode } from './node.ts'
import type { Place } from './place.ts'

/** The first has everything (and the root key); builders are some, so that a deploy often crosses the mesh twice. */
const ROLES: readonly Role[][] = [['router', 'catalog', 'builder', 'executor'], ['catalog', 'builder'], ['catalog', 'builder'], ['catalog']]
const EVERYTHING: readonly Role[] = ['router', 'catalog', 'builder', 'executor']
/** A lone start of five nodes takes about 3 s; on a machine that is busy with others it has taken a minute. */
const ADMITTED_MS = 240_000
const ORPHANS_MS = 10_000
const LOOK_MS = 100

interface Setting {
  everything?: boolean
  places?: readonly Place[]
}

export class FaultUniverse {
  readonly nodes: FaultNode[]
  /** Those that left for good. */
  readonly #gone: FaultNode[] = []
  /** The developer's: good on every node. */
  #token: string | undefined
  readonly #starting = new Set<Promise<void>>()
  readonly #dir: string
  readonly #cleanup: Cleanup

  private constructor(nodes: FaultNode[], dir: string, cleanup: Cleanup) {
    this.nodes = nodes
    this.#dir = dir
    this.#cleanup = cleanup
  }

  /** Resolves when every node has taken in a deploy that was committed. `everything`: each runs all roles. `places`: where they run, if not here. */
  static async start(
    count: number,
    dir: string,
    cleanup: Cleanup,
    { everything = false, places = [] }: Setting = {},
  ): Promise<FaultUniverse> {
    const rolesOf = (index: number) => (everything ? EVERYTHING : (ROLES[index] ?? ['catalog']))
    const nodes = Array.from({ length: count }, (_, index) => new FaultNode(`node-${index + 1}`, rolesOf(index), dir, places[index]))
    const universe = new FaultUniverse(nodes, dir, cleanup)
    // Registered first: a start that is interrupted leaves nodes behind.
    cleanup.add(() => universe.#end())
    const [first, ...others] = nodes as [FaultNode, ...FaultNode[]]
    await first.start()
    cleanup.signal.throwIfAborted()
    const { state } = first
    universe.#token = state?.developerToken
    await Promise.all(others.map((node) => node.start(universe.#token, state?.joinToken)))
    const troubles = universe.troubles()
    if (troubles.length > 0) throw new Error(`Cannot start the universe: ${troubles.join('\n')}`)
    await Promise.all(nodes.map((node) => untilAdmitted(node, cleanup)))
    return universe
  }

  ready(): FaultNode[] {
    return this.nodes.filter((node) => node.client !== undefined)
  }

  /** One more, by the first one's invitation. Resolves when it is ready, or has its trouble told. */
  async add(name: string, roles: readonly Role[]): Promise<FaultNode> {
    this.#cleanup.signal.throwIfAborted()
    const node = new FaultNode(name, roles, this.#dir)
    this.nodes.push(node)
    await node.start(this.#token, this.nodes[0]?.state?.joinToken)
    return node
  }

  /** For good: stopped, or killed. */
  async remove(node: FaultNode, how: 'stop' | 'kill'): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    this.#gone.push(node)
    await node[how]()
  }

  /** Starts a node again, as a service manager does; nobody waits for it. Throws once the run is being cleaned up. */
  revive(node: FaultNode): void {
    this.#cleanup.signal.throwIfAborted()
    const starting = node.start(this.#token)
    this.#starting.add(starting)
    void starting.finally(() => this.#starting.delete(starting))
  }

  /** Every node has a process and is ready, or has its trouble told. */
  async heal(): Promise<void> {
    for (const node of this.nodes) if (!node.isUp) this.revive(node)
    await Promise.all(this.#starting)
  }

  troubles(): string[] {
    return [...this.nodes, ...this.#gone].flatMap((node) => node.troubles.splice(0))
  }

  /** What is left of processes that were killed, once they have had time to notice. */
  async orphans(): Promise<string[]> {
    const end = performance.now() + ORPHANS_MS
    const left = () =>
      [...this.nodes, ...this.#gone].flatMap((node) =>
        node.orphans().map(({ pid }) => `${node.name} was killed and left process ${pid} behind`),
      )
    while (left().length > 0 && performance.now() < end) await sleep(LOOK_MS)
    return left()
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async #end(): Promise<void> {
    await Promise.all([...this.nodes, ...this.#gone].map((node) => node.kill()))
  }
}

async function untilAdmitted(node: FaultNode, cleanup: Cleanup): Promise<void> {
  const source = `export default () => ${JSON.stringify(node.name)}`
  await until(`${node.name} takes a deploy`, LOOK_MS, ADMITTED_MS, async () => {
    cleanup.signal.throwIfAborted()
    return node.client?.deploy({ namespace: 'faults', name: node.name, source, language: 'javascript', ack: 'committed' })
  })
}
