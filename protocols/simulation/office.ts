/** The root at work: it lends the hostile member a namespace, and takes it back while that goes on publishing there. */
import { digestOf } from '#protocols/codec'
import { HOSTILE, LENT, ROOT } from './cast.ts'
import type { Dice } from './dice.ts'
import { envelopeOf, OwnFeed } from './forgery.ts'
import type { World } from './world.ts'

export const LOAN = 'loan'
const LEND_MS = { min: 100, max: 600 }
const REVOKE_MS = { min: 1_000, max: 3_500 }
/** Until a catalog has taken an entry in, another is asked so often. */
const AGAIN_MS = 150
/** Behind every honest clock, so that no door takes it for the future. */
const BEHIND_MS = 4_000

export class Office {
  readonly #world: World
  readonly #dice: Dice
  readonly #feed: OwnFeed
  #revocation: { seq: number; pin: number } | undefined

  constructor(world: World) {
    this.#world = world
    this.#dice = world.dice.fork('office')
    this.#feed = new OwnFeed(ROOT, world.founding.at(-1))
  }

  start(): void {
    this.#world.after(this.#dice.between(LEND_MS.min, LEND_MS.max), () => {
      const grant = this.#write('grant', { subject: HOSTILE.id, can: ['deploy'], namespaces: [LENT], expiresAtMs: null })
      this.#world.history.loan = digestOf(grant)
      this.#world.after(this.#dice.between(REVOKE_MS.min, REVOKE_MS.max), () => this.#revoke(digestOf(grant)))
    })
  }

  /** Whoever has the revocation in its ledger shows nothing that was published beyond it. */
  judge(): void {
    const { history } = this.#world
    const revocation = this.#revocation
    if (revocation === undefined) return
    for (const node of this.#world.keepers) {
      const root = node.ledger?.status().heads.find(({ author }) => author === ROOT.id)
      if (root === undefined || root.seq < revocation.seq) continue
      for (const { namespace, name, version } of shownBy(node.ledger)) {
        const seq = history.loans.get(version)
        if (seq !== undefined && seq > revocation.pin)
          this.#world.fail('revocations hold', `${node.name} shows ${namespace}/${name} of entry ${seq}, revoked from ${revocation.pin} on`)
      }
    }
  }

  #revoke(grant: string): void {
    const pin = Math.max(0, this.#world.history.hostileSeq - this.#dice.int(3))
    const entry = this.#write('revoke', { grant, pins: pin === 0 ? [] : [{ author: HOSTILE.id, seq: pin }] })
    this.#revocation = { seq: envelopeOf(entry).seq, pin }
    this.#world.note('root', `revokes what it lent, from ${pin} on`)
  }

  #write(type: string, body: Record<string, unknown>): Uint8Array {
    const entry = this.#feed.next(this.#world.founding.at(-1) as Uint8Array, Math.floor(this.#world.trueWallMs) - BEHIND_MS, {
      type,
      body,
      by: 'root',
      grant: null,
    })
    this.#feed.goOn(entry)
    this.#hand(entry)
    return entry
  }

  /** Until one catalog has it on disk; the rest is theirs. */
  #hand(entry: Uint8Array): void {
    const nodes = this.#world.keepers.filter((node) => node.ledger !== undefined)
    const [node, peer] = this.#dice.shuffled(nodes)
    const again = () => void this.#world.after(AGAIN_MS, () => this.#hand(entry))
    if (node?.ledger === undefined) {
      again()
      return
    }
    node.ledger.accept((peer ?? node).life?.network.peer ?? '', entry).then((held) => held || again(), again)
    // A killed node never answers.
    const { life } = node
    this.#world.after(2 * AGAIN_MS, () => life?.alive === true || this.#hand(entry))
  }
}

/** Every version that the node knows of what was lent. */
function shownBy(ledger: World['keepers'][number]['ledger']): { namespace: string; name: string; version: string }[] {
  const rows = ledger?.list({ namespace: LENT }) ?? []
  return rows.flatMap(({ namespace, name }) => {
    const versions = ledger?.versions(namespace, name)
    return versions === undefined || versions instanceof Promise ? [] : versions.map(({ version }) => ({ namespace, name, version }))
  })
}
