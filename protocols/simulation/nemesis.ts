/** What goes wrong, when, and for how long: drawn from the seed, carried out, and all healed at the end. */
import { placeIn } from './checks/record.ts'
import { type Pair, pairsOf, SHAPES } from './partitions.ts'
import type { Dice } from './dice.ts'
import type { Node } from './node.ts'
import { CALM } from './wire.ts'
import type { World } from './world.ts'

const EVIL = [
  'partition',
  'swizzle',
  'silence',
  'lossy',
  'slow',
  'kill',
  'kill',
  'strike',
  'killAll',
  'diskFull',
  'diskError',
  'damage',
  'setBack',
  'clock',
] as const
type Evil = (typeof EVIL)[number]
/** What two hosts with one root key may go through: whoever does not hear the other, or ends before the others have what it wrote, may fork (protocols/catalog/README.md, "Not promised"). */
const TOGETHER: ReadonlySet<Evil> = new Set(['diskFull', 'diskError', 'clock'])

/** Peace around a disk that is set back: nobody can tell a node what it has lost while those who know it are away. */
const TRUCE_MS = 3500
/** Until its node starts again, and until it has met the others. */
const ABSENT_MS = { min: 800, max: 1500 }
const MEETING_MS = 30

/** When something has been deployed, and until long after nobody waits for a catalog any more. */
const SILENCE_MS = { from: 800, min: 3000, max: 5000 }

/** What a clock is set to, milliseconds beside the true time: more ahead would make an honest node's entries unwelcome. */
const CLOCK_MS = { min: -1500, max: 250 }

export class Nemesis {
  readonly #world: World
  readonly #dice: Dice
  readonly #cuts = new Map<string, Pair>()
  /** The one disk of a run that may be damaged: two at once may take the only copies of what is committed. */
  readonly #victim: Node
  #active = true
  #peaceUntilMs = 0
  /** A kill that waits for the next write of a node. */
  #strike: Node | undefined

  constructor(world: World) {
    this.#world = world
    this.#dice = world.dice.fork('nemesis')
    this.#victim = this.#dice.pick(world.keepers)
  }

  /** Evil from now on for so long; longer where those who keep no ledger shall be alone for a while. Returns how long. */
  start(evilMs: number): number {
    const possible = this.#world.rulers.length > 1 ? EVIL.filter((each) => TOGETHER.has(each)) : EVIL
    const kinds = this.#dice.shuffled(possible).slice(0, 1 + this.#dice.int(5))
    const isSilent = this.#world.rulers.length < 2 && this.#world.askers.length > 0 && this.#dice.chance(0.5)
    const forMs = isSilent ? Math.max(evilMs, SILENCE_MS.from + SILENCE_MS.min) : evilMs
    if (isSilent) this.#world.after(SILENCE_MS.from, () => this.#active && this.#do('silence'))
    const count = 2 + this.#dice.int(7)
    this.#world.note('nemesis', kinds.join(' '))
    for (let at = 0; at < count; at++)
      this.#world.after(this.#dice.between(0, forMs), () => this.#active && this.#do(this.#dice.pick(kinds)))
    for (const node of this.#world.keepers) node.disk.onWrite = () => this.#struck(node)
    return forMs
  }

  /** Everything works again, and everybody is up. */
  heal(): void {
    this.#active = false
    this.#calm()
    for (const node of this.#world.nodes) {
      if (Math.abs(node.clockError.offsetMs) > CLOCK_MS.max) node.setClock(this.#dice.between(0, CLOCK_MS.max))
      this.#world.boot(node)
    }
    this.#world.note('nemesis', 'everything is healed')
  }

  #calm(): void {
    this.#strike = undefined
    this.#cuts.clear()
    this.#world.wire.cut([])
    this.#world.wire.faults = CALM
    for (const node of this.#world.nodes) node.disk.trouble = 'none'
  }

  get #isPeace(): boolean {
    return this.#world.now < this.#peaceUntilMs
  }

  #do(evil: Evil): void {
    if (this.#isPeace) return
    switch (evil) {
      case 'partition':
        return this.#partition()
      case 'swizzle':
        return this.#swizzle()
      case 'silence':
        return this.#silence()
      case 'lossy':
        return this.#weather({ drop: this.#dice.between(0.05, 0.5), duplicate: 0.2, breaks: this.#dice.pick([0, 0.01, 0.05]) })
      case 'slow':
        return this.#weather({ delayMs: [this.#dice.between(1, 50), this.#dice.between(50, 500)] })
      case 'kill':
        return this.#kill(this.#dice.pick(this.#world.nodes))
      case 'strike':
        this.#strike = this.#dice.pick(this.#world.keepers)
        return
      case 'killAll':
        return this.#world.nodes.forEach((node) => this.#kill(node))
      case 'diskFull':
        return this.#trouble('ENOSPC')
      case 'diskError':
        return this.#trouble('EIO')
      case 'damage':
        return this.#damage()
      case 'setBack':
        return this.#setBack()
      case 'clock':
        return this.#setClock(this.#dice.pick(this.#world.nodes))
    }
  }

  #partition(): void {
    const shape = this.#dice.pick(SHAPES)
    const pairs = pairsOf(shape, this.#names(), this.#dice)
    this.#world.note('nemesis', `${shape}: ${pairs.map((pair) => pair.join('>')).join(' ')}`)
    this.#cut(pairs)
    this.#later(this.#dice.between(200, 6000), () => this.#mend(pairs))
  }

  /** Those who keep no ledger reach no catalog, but for the one that lies. */
  #silence(): void {
    const pairs = this.#world.askers.flatMap(({ name }) =>
      this.#world.keepers.flatMap((keeper): Pair[] => [
        [name, keeper.name],
        [keeper.name, name],
      ]),
    )
    if (pairs.length === 0) {
      this.#partition()
      return
    }
    this.#world.note('nemesis', `silence: ${pairs.length} links`)
    this.#cut(pairs)
    this.#later(this.#dice.between(SILENCE_MS.min, SILENCE_MS.max), () => this.#mend(pairs))
  }

  /** Links stop one by one and come back in another order. */
  #swizzle(): void {
    const pairs = pairsOf('split', this.#names(), this.#dice)
    this.#world.note('nemesis', `swizzle: ${pairs.length} links`)
    for (const pair of this.#dice.shuffled(pairs)) {
      const at = this.#dice.between(0, 1500)
      this.#later(at, () => this.#cut([pair]))
      this.#later(at + this.#dice.between(500, 4000), () => this.#mend([pair]))
    }
  }

  #weather(faults: Partial<typeof CALM>): void {
    this.#world.note('nemesis', `weather ${JSON.stringify(faults)}`)
    this.#world.wire.faults = { ...this.#world.wire.faults, ...faults }
    this.#later(this.#dice.between(300, 4000), () => (this.#world.wire.faults = CALM))
  }

  #kill(node: Node): void {
    if (this.#isPeace) return
    this.#world.kill(node, this.#dice.chance(0.4))
    this.#later(this.#dice.chance(0.6) ? this.#dice.between(20, 800) : this.#dice.between(800, 6000), () => this.#world.boot(node))
  }

  /** Within a few milliseconds of a write: between it and its sync, its answer, its spreading. */
  #struck(node: Node): void {
    if (this.#strike !== node || !this.#active) return
    this.#strike = undefined
    this.#later(this.#dice.between(0, 12), () => this.#kill(node))
  }

  #trouble(trouble: 'ENOSPC' | 'EIO'): void {
    const node = this.#dice.pick(this.#world.keepers)
    this.#world.note('nemesis', `${trouble} on ${node.name}`)
    node.disk.trouble = trouble
    this.#later(this.#dice.between(30, 2500), () => (node.disk.trouble = 'none'))
  }

  /** While the process is down, so that it finds the damage at its start, or under its feet. */
  #damage(): void {
    const { disk, files } = this.#victim
    const others = this.#world.keepers.filter((node) => node !== this.#victim)
    // Of what is nowhere else nothing can be mended.
    const records = disk.keys().filter((key) => others.some((node) => hasEntry(node, key)))
    const [own, foreign] = [records.filter((key) => key.includes(this.#victim.identity.id)), records]
    const key = this.#dice.chance(0.5) && own.length > 0 ? own.at(-1) : foreign[this.#dice.int(foreign.length)]
    if (key === undefined) return
    const kind = this.#dice.pick(['flip', 'lose', 'file'] as const)
    const digests = files.digests().filter((digest) => others.some((node) => node.files.holds(digest)))
    if (this.#dice.chance(0.6)) this.#kill(this.#victim)
    this.#world.note('nemesis', `damages ${this.#victim.name}: ${kind} ${kind === 'file' ? '' : key.slice(6, 12)}${key.slice(-4)}`)
    if (kind === 'flip') disk.flip(key)
    else if (kind === 'lose') disk.lose(key)
    else if (digests.length > 0) files.flip(this.#dice.pick(digests))
  }

  /** Somebody restores a backup of the whole disk, made a moment ago. */
  #setBack(): void {
    const victim = this.#victim
    const copy = victim.disk.copy()
    // So that the copy lacks something.
    this.#later(MEETING_MS, () => this.#world.onWanted(victim))
    this.#later(this.#dice.between(300, 2500), () => {
      if (this.#isPeace) return
      this.#world.kill(victim, this.#dice.chance(0.4))
      this.#world.note('nemesis', `sets the disk of ${victim.name} back`)
      victim.disk.setBack(copy)
      this.#makePeace(victim)
    })
  }

  #makePeace(victim: Node): void {
    this.#calm()
    this.#peaceUntilMs = this.#world.now + TRUCE_MS
    for (const node of this.#world.nodes) if (node !== victim) this.#world.boot(node)
    const absentMs = this.#dice.between(ABSENT_MS.min, ABSENT_MS.max)
    victim.meetsUntilMs = this.#world.now + absentMs + MEETING_MS
    this.#later(absentMs, () => this.#world.boot(victim))
    // Before it has got the rest.
    this.#later(absentMs + MEETING_MS, () => this.#world.onWanted(victim))
  }

  #setClock(node: Node): void {
    const offsetMs = this.#dice.between(CLOCK_MS.min, CLOCK_MS.max)
    this.#world.note('nemesis', `sets the clock of ${node.name} to ${Math.round(offsetMs)} ms`)
    node.setClock(offsetMs)
  }

  #names(): string[] {
    const names = this.#world.nodes.map((node) => node.name)
    return this.#world.hasHostile ? [...names, 'hostile'] : names
  }

  #cut(pairs: readonly Pair[]): void {
    if (this.#isPeace) return
    for (const pair of pairs) this.#cuts.set(pair.join('>'), pair)
    this.#world.wire.cut([...this.#cuts.values()])
  }

  #mend(pairs: readonly Pair[]): void {
    for (const pair of pairs) this.#cuts.delete(pair.join('>'))
    this.#world.wire.cut([...this.#cuts.values()])
  }

  #later(delayMs: number, run: () => void): void {
    this.#world.after(delayMs, () => {
      if (this.#active) run()
    })
  }
}

/** Whether its ledger has the entry of this key; a failed write may have left it on a disk and nowhere else. */
function hasEntry(node: Node, key: string): boolean {
  const place = placeIn(key)
  const head = place && node.ledger?.status().heads.find(({ author }) => author === place.author)
  return head !== undefined && head.seq >= (place?.seq ?? 0) && node.disk.durable().has(key)
}
