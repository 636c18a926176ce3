/** Asks members with the catalog role: the one that answered last first, and the next when it cannot. */
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import { collect } from '#protocols/body'
import type { Network, Peer } from '#protocols/network'
import { firstOf } from './hedge.ts'
import { LIST_BYTES_MAX, PROTOCOL, type Request } from './messages.ts'

/** Beyond that the catalog as a whole is in trouble, and asking on only adds to it. */
const MEMBERS_ASKED_MAX = 4
const READ_MS_MAX = 5000
const HEDGE_MS = 300
/** What a write is given beyond its own waiting for holders. */
const WRITE_GRACE_MS = 1000

export interface Answer {
  head: Uint8Array
  body: Uint8Array
}

export class CatalogMembers {
  readonly #network: Network
  readonly #clock: Clock
  readonly #random: Random
  #preferred: Peer | undefined

  constructor(init: { network: Network; clock: Clock; random: Random }) {
    this.#network = init.network
    this.#clock = init.clock
    this.#random = init.random
  }

  /** The first answer. "Not found" is believed when a second member says so too: the first may not have heard yet. Throws the members' error, or `unavailable`. */
  read(request: Request): Promise<Answer> {
    const head = encode(request)
    let missing = 0
    return firstOf(this.#candidates(), (peer, signal) => this.#ask(peer, { head }, READ_MS_MAX, signal), {
      clock: this.#clock,
      hedgeMs: HEDGE_MS,
      inFlightMax: 2,
      goesOn: (error) => (error.code === 'not_found' ? (missing += 1) < 2 : isTrouble(error)),
      none: () => this.#nobody(),
    })
  }

  /** What so many members say, those that can be reached. Throws the members' error, or `unavailable`, when none can. */
  async readFrom(count: number, request: Request): Promise<Answer[]> {
    const head = encode(request)
    const asked = [...this.#candidates()].slice(0, count)
    if (asked.length === 0) throw this.#nobody()
    const said = await Promise.allSettled(asked.map((peer) => this.#ask(peer, { head }, READ_MS_MAX)))
    const answers = said.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    if (answers.length === 0) throw said.find((each) => each.status === 'rejected')?.reason ?? this.#nobody()
    return answers
  }

  /** The answer of the first member that can be reached. Goes on only while a member says `unavailable`, which it says before it writes. */
  async write(request: Request, timeoutMs: number, body?: Uint8Array): Promise<Answer> {
    const message = { head: encode(request), ...(body === undefined ? {} : { body }) }
    let failure: unknown
    for (const peer of this.#candidates()) {
      try {
        return await this.#ask(peer, message, timeoutMs + WRITE_GRACE_MS)
      } catch (error) {
        if (!(error instanceof OsirisError) || error.code !== 'unavailable') throw error
        failure = error
      }
    }
    throw failure ?? this.#nobody()
  }

  async #ask(peer: Peer, message: { head: Uint8Array; body?: Uint8Array }, timeoutMs: number, signal?: AbortSignal): Promise<Answer> {
    const response = await this.#network.request(peer, PROTOCOL, message, { timeoutMs, ...(signal === undefined ? {} : { signal }) })
    const body = await collect(response.body, LIST_BYTES_MAX, 'the answer of the catalog')
    this.#preferred = peer
    return { head: response.head, body }
  }

  #candidates(): Peer[] {
    const peers = this.#network.members.withRole('catalog').map((member) => member.peer)
    const from = Math.floor(this.#random() * peers.length)
    const turned = [...peers.slice(from), ...peers.slice(0, from)]
    const preferred = turned.filter((peer) => peer === this.#preferred)
    return [...preferred, ...turned.filter((peer) => peer !== this.#preferred)].slice(0, MEMBERS_ASKED_MAX)
  }

  #nobody(): OsirisError {
    const count = this.#network.members.list().length
    return new OsirisError('unavailable', `Cannot reach the catalog: no member runs catalog (members: ${count})`, {
      details: { sent: false },
    })
  }
}

/** Whether an error says nothing but that a member could not be asked. */
export function isTrouble(error: OsirisError): boolean {
  return ['unavailable', 'deadline_exceeded', 'outcome_unknown', 'overloaded'].includes(error.code)
}
