/** What people do meanwhile: deploy, point, retire and call, at any node, some of them without the right to. */
import type { Published, Receipt, WriteOptions } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import { versionOf } from '#protocols/manifest'
import { CLOSED, NAMESPACE, type People } from './cast.ts'
import { judgeDenied, judgePromise, placesBefore, type Told } from './checks/promises.ts'
import type { Dice } from './dice.ts'
import { functionOf, IDEMPOTENT, NAMES } from './functions.ts'
import type { Call } from './history.ts'
import type { Life, Node } from './node.ts'
import type { World } from './world.ts'

const CODES = 6
const WRITE_MS = 1500
/** What a command line waits at least; some connections are still being made anew. */
const LAST_MS = 4000
/** Nobody else is at work on it: what was begun before may still end. */
const LAST = 'last'
const GAP_MS = { min: 15, max: 220 }

export class Workload {
  readonly #world: World
  readonly #people: People
  readonly #dice: Dice
  #calls = 0
  #running = true

  constructor(world: World, people: People) {
    this.#world = world
    this.#people = people
    this.#dice = world.dice.fork('workload')
  }

  start(): void {
    this.#world.onWanted = (node) => void this.#write(node, 'deploys', (life, options) => this.#deploy(life, options))
    this.#next()
  }

  #next(): void {
    this.#world.after(this.#dice.between(GAP_MS.min, GAP_MS.max), () => {
      if (!this.#running) return
      this.#act()
      this.#next()
    })
  }

  stop(): void {
    this.#running = false
  }

  /** One deploy that must work, since everything has healed: how far it came. */
  async deployAt(node: Node): Promise<Receipt['state'] | undefined> {
    let state: Receipt['state'] | undefined
    const deploy = async (life: Life, options: WriteOptions) => {
      const published = await this.#deploy(life, { ...options, timeoutMs: LAST_MS }, LAST)
      state = published.receipt.state
      return published
    }
    await this.#write(node, 'deploys', deploy, 'committed')
    return state
  }

  #act(): void {
    const living = this.#world.living.filter((node) => node.meetsUntilMs <= this.#world.now)
    if (living.length === 0) return
    const node = this.#dice.pick(living)
    const chance = this.#dice.random()
    // A node without the ledger is asked what functions mean, too.
    if (!node.keepsLedger && chance < 0.5) void this.#resolve(node)
    else if (chance < 0.42) this.#call(node)
    else if (chance < 0.78) void this.#write(node, 'deploys', (life, options) => this.#deploy(life, options))
    else if (chance < 0.89) void this.#write(node, 'points', (life, options) => this.#point(life, options))
    else if (chance < 0.94)
      void this.#write(node, 'retires', (life, options) => life.catalog.retire(NAMESPACE, this.#dice.pick(NAMES), options))
    else void this.#trespass(node)
  }

  async #write(
    node: Node,
    what: string,
    run: (life: Life, options: WriteOptions) => Promise<Published | Receipt>,
    ack: WriteOptions['ack'] = this.#dice.chance(0.6) ? 'committed' : 'accepted',
  ): Promise<void> {
    const life = node.life
    if (life === undefined) return
    const { history } = this.#world
    const before = placesBefore(node)
    this.#world.note(node.name, `${what}, ${ack}`)
    try {
      const result = await run(life, { caller: this.#people.ada, ack, timeoutMs: WRITE_MS })
      history.counts.written += 1
      judgePromise(this.#world, node, toldBy(result, what), before)
    } catch (error) {
      history.counts.refused += 1
      this.#refused(node, what, error, before)
    }
  }

  #refused(node: Node, what: string, error: unknown, before: ReturnType<typeof placesBefore>): void {
    if (!(error instanceof OsirisError)) {
      this.#world.fail('typed errors', `${node.name} ${what}: ${String(error)}`)
      return
    }
    this.#world.note(node.name, `${what}: ${error.code} (${error.message})`)
    if (error.code === 'internal') this.#world.fail('typed errors', `${node.name} ${what}: ${error.message}`)
    const receipt = error.details?.['receipt'] as Receipt | undefined
    if (error.code === 'not_committed' && receipt !== undefined) judgePromise(this.#world, node, { receipt, fresh: false }, before)
  }

  #deploy(life: Life, options: WriteOptions, name: string = this.#dice.pick(NAMES)): Promise<Published> {
    const { manifest, artifact } = functionOf(NAMESPACE, name, this.#dice.int(CODES))
    this.#world.history.versions.add(versionOf(manifest))
    return life.catalog.publish(manifest, artifact, options)
  }

  #point(life: Life, options: WriteOptions): Promise<Published> {
    const name = this.#dice.pick(NAMES)
    const alias = this.#dice.pick(['live', 'canary', 'stable'])
    const codes = this.#dice.shuffled(Array.from({ length: CODES }, (_, at) => at))
    const [first, second] = codes.map((code) => versionOf(functionOf(NAMESPACE, name, code).manifest)) as [string, string]
    const targets = this.#dice.chance(0.7)
      ? [{ version: first, weight: 100 }]
      : [
          { version: first, weight: 90 },
          { version: second, weight: 10 },
        ]
    return life.catalog.point(NAMESPACE, name, alias, targets, options)
  }

  /** Somebody writes where they may not. */
  async #trespass(node: Node): Promise<void> {
    const life = node.life as Life
    const [caller, namespace] = this.#dice.pick<[Caller, string]>([
      [this.#people.bob, NAMESPACE],
      [this.#people.ada, CLOSED],
      [this.#people.mallory, NAMESPACE],
      [{ subject: 'ada' }, NAMESPACE],
    ])
    const { manifest, artifact } = functionOf(namespace, this.#dice.pick(NAMES), 1000 + this.#dice.int(10))
    const options = { caller, ack: 'accepted', timeoutMs: WRITE_MS } as const
    await life.catalog.publish(manifest, artifact, options).then(
      () => judgeDenied(this.#world, node, undefined),
      (error: Error) => judgeDenied(this.#world, node, error),
    )
  }

  /** Whatever is answered must be something that somebody deployed. */
  async #resolve(node: Node): Promise<void> {
    const name = this.#dice.pick(NAMES)
    try {
      const { version } = await (node.life as Life).catalog.get({ namespace: NAMESPACE, name })
      this.#world.note(node.name, `takes ${name} for ${version.slice(0, 6)}`)
      if (!this.#world.history.versions.has(version))
        this.#world.fail('poisoned records are never used', `${node.name} takes ${name} for ${version.slice(0, 6)}, which nobody deployed`)
    } catch (error) {
      if (!(error instanceof OsirisError)) this.#world.fail('typed errors', `${node.name} asks for ${name}: ${String(error)}`)
    }
  }

  #call(node: Node): void {
    const { history, scheduler } = this.#world
    const life = node.life as Life
    const name = this.#dice.pick(NAMES)
    const leftMs = this.#dice.pick([300, 1000, 2500])
    this.#calls += 1
    const id = this.#calls.toString(16).padStart(32, '0')
    const call: Call = {
      id,
      node: node.name,
      idempotent: IDEMPOTENT.has(name),
      dueMs: this.#world.now + leftMs + 1000,
      starts: 0,
      lost: false,
    }
    history.calls.set(id, call)
    const invocation = {
      id,
      target: { namespace: NAMESPACE, name },
      payload: { kind: 'call' as const, args: Buffer.from('[]') },
      caller: this.#dice.pick([this.#people.ada, this.#people.bob]),
      deadlineAt: life.clock.monotonic() + leftMs,
      ...{ hops: 0, depth: 0 },
    }
    life.router.invoke(invocation).then(
      (outcome) => {
        call.outcome = outcome
        call.dueMs = Math.max(call.dueMs, scheduler.now)
        history.counts[outcome.kind === 'failed' ? 'failures' : 'values'] += 1
      },
      (error: unknown) => this.#world.fail('calls end in an outcome', `a call at ${node.name} was rejected: ${String(error)}`),
    )
    this.#world.after(leftMs + 1000, () => this.#judgeEnd(call, life))
  }

  #judgeEnd(call: Call, life: Life): void {
    call.lost = !life.alive
    if (call.outcome === undefined && life.alive) {
      this.#world.fail('calls end within deadline + 1 s', `call ${call.id.slice(-4)} at ${call.node} has not ended`)
    }
  }
}

function toldBy(result: Published | Receipt, what: string): Told {
  if (!('receipt' in result)) return { receipt: result, fresh: true }
  const { receipt, record, changed } = result
  return { receipt, fresh: changed, artifact: changed && what === 'deploys' ? record.manifest.artifact.digest : undefined }
}
