/** What this router asks of the others about schedules: whether a tick is its own, and what they know. */
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import type { Clock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { isMajority } from '../owner.ts'
import type { Routers } from '../routers.ts'
import type { ScheduleBook } from './book.ts'
import {
  type Claim,
  grantedSchema,
  PAGE_BYTES_MAX,
  PAGE_ROWS,
  PAGES_MAX,
  rowsSchema,
  SCHEDULE_PROTOCOL,
  type ScheduleRequest,
} from './messages.ts'
import { keyOf, type Row } from './row.ts'

/** A router that does not answer for so long is done without. */
const ASK_MS = 2000
/** Each row of each of them is the same as the others', unless it was away. */
const ROWS_FROM = 3

export interface SchedulePeersInit {
  network: Pick<Network, 'request'>
  clock: Clock
  routers: Routers
  book: ScheduleBook
}

export class SchedulePeers {
  readonly #init: SchedulePeersInit
  #round = 0

  constructor(init: SchedulePeersInit) {
    this.#init = init
  }

  /**
   * Whether a majority of the routers there should be, this one included, say that the tick is this router's to fire. Of two that ask, at most one hears so.
   * What others know of the schedule is in the book afterwards. On `false` nobody keeps the tick for this router.
   */
  async claim(row: Row, tickAt: number): Promise<boolean> {
    const { routers, book, clock } = this.#init
    this.#round = Math.max(this.#round + 1, clock.now())
    const claim: Claim = { namespace: row.namespace, name: row.name, line: row.line, tickAt, round: this.#round }
    const known = routers.known()
    const granting = new Set<Peer>()
    const own = { tickAt, to: routers.self, round: claim.round }
    if (!(await book.grant(keyOf(row), row.line, own))) return false
    granting.add(routers.self)
    const others = routers.others()
    const isOurs = isMajority(granting, known) || (await this.#collect(others, claim, granting, known))
    if (isOurs) return true
    book.release(keyOf(row), row.line, own)
    for (const peer of others) this.#ask(peer, { type: 'release', ...claim }).catch(() => {})
    return false
  }

  /** Ends as soon as it is known. */
  async #collect(others: readonly Peer[], claim: Claim, granting: Set<Peer>, known: ReadonlySet<Peer>): Promise<boolean> {
    if (others.length === 0) return false
    const decided = Promise.withResolvers<boolean>()
    let open = others.length
    const answered = async (peer: Peer) => {
      try {
        const { head } = await this.#ask(peer, { type: 'claim', ...claim })
        const { granted, row } = decodeAs(grantedSchema, head, 'the answer to a claim')
        if (row !== null && keyOf(row) === keyOf(claim)) this.#init.book.merge(row)
        if (granted) granting.add(peer)
      } catch {
        // One that cannot be asked grants nothing.
      }
      open--
      if (isMajority(granting, known)) decided.resolve(true)
      else if (open === 0) decided.resolve(false)
    }
    for (const peer of others) void answered(peer)
    return decided.promise
  }

  /** What the others know, so that a newcomer makes up for nothing that was fired. */
  async learn(from: readonly Peer[], take: (row: Row) => void): Promise<void> {
    await Promise.all(from.slice(0, ROWS_FROM).map((peer) => this.#learnFrom(peer, take).catch(() => {})))
  }

  async #learnFrom(peer: Peer, take: (row: Row) => void): Promise<void> {
    let after = ''
    for (let page = 0; page < PAGES_MAX; page++) {
      const { body } = await this.#ask(peer, { type: 'rows', after })
      const { rows } = decodeAs(rowsSchema, await collect(body, PAGE_BYTES_MAX, 'the schedules'), 'the schedules')
      for (const row of rows) take(row)
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS || keyOf(last) <= after) return
      after = keyOf(last)
    }
  }

  #ask(peer: Peer, request: ScheduleRequest) {
    return this.#init.network.request(peer, SCHEDULE_PROTOCOL, { head: encode(request) }, { timeoutMs: ASK_MS })
  }
}
