/** One attempt is asked for: of this router's own disk, and of the item's other holders. */
import type { Peer } from '#protocols/network'
import type { ClaimAnswer, Copies } from './copies.ts'
import type { Holdings } from './holdings.ts'
import { type Asked, grant, isQuorum, released } from './lease.ts'
import { type Head, isOver, type Stored } from './record.ts'
import type { Shelf } from './shelf.ts'

export interface ClaimsInit {
  self: Peer
  shelf: Shelf
  holdings: Holdings
  copies: Copies
  isHere: (peer: Peer) => boolean
}

/**
 * `begin`: this router makes it. `wait`: not enough holders answer, or another may be making it: ask again later. `unknown`: somebody who is gone, or
 * this router in an earlier life, may have begun it. `gone`: the item is no longer this router's to hand out.
 */
export type Claimed = 'begin' | 'wait' | 'unknown' | 'gone'

interface Answers {
  granted: Set<Peer>
  others: { peer: Peer; answer: ClaimAnswer }[]
}

const NO_ANSWER = new Uint8Array()

export class Claims {
  readonly #init: ClaimsInit

  constructor(init: ClaimsInit) {
    this.#init = init
  }

  /** Throws what the disk throws; then nothing was begun. */
  async make(id: string): Promise<Claimed> {
    const { self, shelf } = this.#init
    const stored = shelf.get(id)
    if (stored === undefined || stored.head.state !== 'waiting' || stored.head.owner !== self) return 'gone'
    const { head, claim } = stored
    const asked: Asked = { by: self, epoch: head.epoch, attempt: head.ended + 1 }
    // It let go of what it did not begin: this is what an earlier life was about to begin.
    if (head.once && claim?.by === self && claim.attempt === asked.attempt) return 'unknown'
    const own = grant(stored, asked)
    if (own.kind === 'taken') return this.#taken([own.by], head.once)
    if (own.kind !== 'granted') return 'gone'
    const written = shelf.put(own.stored)
    const answers = await this.#ask(stored, asked)
    await written
    const claimed = await this.#judge(stored, answers)
    if (claimed === 'wait' || claimed === 'gone') await this.#release(id, asked, answers.granted)
    return claimed
  }

  /** Until a quorum granted it, or everybody answered or did not. */
  #ask({ head }: Stored, asked: Asked): Promise<Answers> {
    const { self, copies } = this.#init
    const peers = head.holders.filter((each) => each !== self)
    const answers: Answers = { granted: new Set([self]), others: [] }
    const isEnough = () => head.once && isQuorum(head.holders, answers.granted)
    return new Promise((resolve) => {
      let open = peers.length
      if (open === 0) resolve(answers)
      const over = () => {
        open -= 1
        if (open === 0 || isEnough()) resolve(answers)
      }
      for (const peer of peers) {
        copies.claim(peer, head.id, asked).then((answer) => {
          if (answer.grant === 'granted') answers.granted.add(peer)
          else answers.others.push({ peer, answer })
          over()
        }, over)
      }
    })
  }

  async #judge({ head }: Stored, { granted, others }: Answers): Promise<Claimed> {
    const { shelf } = this.#init
    if (head.once && isQuorum(head.holders, granted)) return 'begin'
    for (const { peer, answer } of others) if (answer.head?.id === head.id) await this.#adopt(peer, answer.head)
    const now = shelf.get(head.id)
    if (now === undefined || now.head.epoch !== head.epoch || now.head.state !== 'waiting') return 'gone'
    const ended = Math.max(...others.map(({ answer }) => (answer.grant === 'behind' ? (answer.head?.ended ?? 0) : 0)), head.ended)
    if (ended > head.ended) {
      await shelf.put({ head: { ...now.head, ended, rev: now.head.rev + 1 }, claim: null })
      return 'wait'
    }
    const dead = others.find(({ answer }) => answer.grant === 'over' && answer.head !== null && !isOver(answer.head))?.answer.head
    if (dead !== null && dead !== undefined) {
      const { state, error, endedAt } = dead
      await shelf.put({ head: { ...now.head, state, error, endedAt, rev: now.head.rev + 1 }, claim: null })
      return 'gone'
    }
    const takers = others.flatMap(({ answer }) => (answer.grant === 'taken' ? [answer.by] : []))
    if (takers.length > 0) return this.#taken(takers, head.once)
    return head.once ? 'wait' : 'begin'
  }

  async #adopt(peer: Peer, head: Head): Promise<void> {
    const { holdings, copies } = this.#init
    const found = head.answerBytes > 0 ? await copies.look(peer, head.id).catch(() => undefined) : undefined
    await holdings.adopt(found?.head ?? head, found?.detail.answer ?? NO_ANSWER)
  }

  /** Whoever is here is making it, and will tell. */
  #taken(takers: readonly (Peer | null)[], once: boolean): Claimed {
    const { self, isHere } = this.#init
    // Who was granted it says itself that it does not make it (null), or has not heard of it.
    if (!takers.includes(null) && takers.some((each) => each !== null && each !== self && isHere(each))) return 'wait'
    return once ? 'unknown' : 'begin'
  }

  async #release(id: string, asked: Asked, granted: ReadonlySet<Peer>): Promise<void> {
    const { self, shelf, copies } = this.#init
    const stored = shelf.get(id)
    for (const peer of granted) if (peer !== self) copies.release(peer, id, asked)
    if (stored !== undefined) await shelf.put(released(stored, asked))
  }
}
