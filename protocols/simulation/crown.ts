/** The root's key on nodes that run, as in universes of people: it shuts keys out and is rotated, by one host or by two that both have it. */
import { createIdentity } from '#protocols/access'
import type { Receipt } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { People } from './cast.ts'
import { judgePromise, placesBefore } from './checks/promises.ts'
import type { Dice } from './dice.ts'
import type { Node } from './node.ts'
import type { World } from './world.ts'

const EVERY_MS = { min: 60, max: 500 }
const ACT_MS = 1500
/** What the last act may take, when everything has healed. */
const LAST_MS = 5000
/** Keys of nobody, which the root shuts out: what nobody else may do. */
const SHUT_OUT = 60
const LAST = 180

export class Crown {
  readonly #world: World
  readonly #people: People
  readonly #dice: Dice
  #active = true

  constructor(world: World, people: People) {
    this.#world = world
    this.#people = people
    this.#dice = world.dice.fork('crown')
  }

  start(): void {
    this.#world.after(this.#dice.between(EVERY_MS.min, EVERY_MS.max), () => {
      if (!this.#active) return
      this.#judge()
      this.#act()
      this.start()
    })
  }

  stop(): void {
    this.#active = false
  }

  /** Everything has healed: whoever holds the root shuts somebody out, and all hear of it. */
  async last(until: (endMs: number, enough: () => boolean) => Promise<void>): Promise<void> {
    const { keepers } = this.#world
    const holder = this.#holders()[0]
    if (this.#world.violation !== undefined) return
    if (holder === undefined) {
      this.#world.fail('the root is never lost', 'no host has the key that holds it')
      return
    }
    const member = createIdentity(new Uint8Array(32).fill(LAST)).id
    let told: unknown = 'nothing'
    this.#banned(holder, member, 'committed').then(
      () => (told = undefined),
      (error: unknown) => (told = error),
    )
    const isOut = () => keepers.every(({ ledger }) => ledger?.authority().isBanned(member) === true)
    await until(this.#world.now + LAST_MS, () => told === undefined && isOut())
    if (told !== undefined || !isOut()) this.#world.fail('the root works again', `${holder.name} cannot shut anybody out: ${String(told)}`)
  }

  /** Whatever ends when: the key that holds the root is in some file. */
  #judge(): void {
    for (const { name, ledger } of this.#world.rulers) {
      const holder = ledger?.succession.holder()
      if (ledger === undefined || (holder !== undefined && this.#world.rulers.some(({ keys }) => keys?.has(holder) === true))) continue
      this.#world.fail('the root is never lost', `of ${holder?.slice(0, 6) ?? 'nobody'}, who holds it by ${name}, no host has the key`)
    }
  }

  #act(): void {
    const living = this.#world.rulers.filter((node) => node.ledger !== undefined && node.meetsUntilMs <= this.#world.now)
    if (living.length === 0) return
    const node = this.#dice.pick(living)
    const chance = this.#dice.random()
    if (chance < 0.55) void this.#ban(node)
    if (chance > 0.3) void this.#rotate(node)
    // The other host with the key, at the same moment.
    if (chance > 0.9) for (const other of living) if (other !== node) void this.#rotate(other)
  }

  async #rotate(node: Node): Promise<void> {
    const options = { caller: this.#people.boss, ack: this.#dice.pick(['accepted', 'committed'] as const), timeoutMs: ACT_MS }
    await this.#told(node, 'rotates', async () => {
      const { to, receipt } = (await node.ledger?.succession.rotate(options)) ?? {}
      if (receipt === undefined || to === undefined) throw new OsirisError('unavailable', 'the node is gone')
      this.#world.history.counts.rotations += 1
      if (!node.keys?.has(to))
        this.#world.fail('the root is never lost', `${node.name} gave the root on to ${to.slice(0, 6)}, which it has not kept`)
      return receipt
    })
  }

  async #ban(node: Node): Promise<void> {
    await this.#told(node, 'shuts out as the root', () => this.#banned(node, this.#stranger(), 'accepted'))
  }

  async #banned({ ledger }: Node, member: string, ack: 'accepted' | 'committed'): Promise<Receipt> {
    if (ledger === undefined) throw new OsirisError('unavailable', 'the node is gone')
    return ledger.record('ban', { member, seq: 0 }, { by: 'root', ack, timeoutMs: ACT_MS })
  }

  async #told(node: Node, what: string, act: () => Promise<Receipt>): Promise<void> {
    const before = placesBefore(node)
    this.#world.note(node.name, what)
    try {
      judgePromise(this.#world, node, { receipt: await act(), fresh: false }, before)
    } catch (error) {
      const known = error instanceof OsirisError ? error : undefined
      this.#world.note(node.name, `${what}: ${known?.code ?? ''} (${String(error)})`)
      if (known === undefined || known.code === 'internal') this.#world.fail('typed errors', `${node.name} ${what}: ${String(error)}`)
    }
  }

  /** Hosts that have the key which holds the root by their own ledger. */
  #holders(): Node[] {
    return this.#world.rulers.filter(({ ledger, keys }) => {
      const key = ledger?.succession.holder()
      return key !== undefined && keys?.has(key) === true
    })
  }

  #stranger(): string {
    return createIdentity(new Uint8Array(32).fill(LAST + 1 + this.#dice.int(SHUT_OUT))).id
  }
}
