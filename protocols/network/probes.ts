/** Before a member is declared dead: this node and two others try to reach it (after SWIM, https://doi.org/10.1109/DSN.2002.1028914). */
import { type ErrorCode, OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import type { MemberTable } from './members.ts'
import { decodeProbe, encodeProbe, encodeRequest, PROTOCOL } from './messages.ts'
import type { Message, Network, Peer } from './network.ts'
import type { Transport } from './transport.ts'

export interface ProbesInit {
  table: MemberTable
  transport: Transport
  clock: Clock
  random: Random
  request: Network['request']
}

const WITNESSES = 2
/** Any other error is a sign of life: a busy peer is not a dead one. */
const SILENCE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unavailable', 'outcome_unknown', 'deadline_exceeded'])
/** A witness tries for `REACH_TIMEOUT_MS`; whoever asked waits a little longer. Both end well before the member's beats expire. */
const REACH_TIMEOUT_MS = 800
const ASK_TIMEOUT_MS = 1_200
/** Whose own timers are this late has no processor, and judges nobody: the answers may wait to be read. */
const LATE_MS = 300

export class Probes {
  readonly #init: ProbesInit
  readonly #running = new Set<Peer>()

  constructor(init: ProbesInit) {
    this.#init = init
  }

  /** A connection to the member ended: buries it when nobody asked can reach it. Never rejects. */
  async suspect(peer: Peer): Promise<void> {
    const { table, clock } = this.#init
    const startedAt = clock.monotonic()
    const before = table.get(peer)?.seenAt
    if (before === undefined || this.#running.has(peer)) return
    this.#running.add(peer)
    const answers = await Promise.all([this.#reach(peer), ...this.#witnesses(peer).map((each) => this.#ask(each, peer))])
    this.#running.delete(peer)
    if (clock.monotonic() - startedAt > ASK_TIMEOUT_MS + LATE_MS) return
    if (!answers.includes(true) && table.get(peer)?.seenAt === before) table.bury(peer)
  }

  /** Answers a peer that suspects another: only members are tried, so that nobody can make this node dial strangers. */
  async answer(peer: Peer): Promise<Message> {
    const { table, transport } = this.#init
    const reachable = peer === transport.peer || (table.get(peer) !== undefined && (await this.#reach(peer)))
    return { head: encodeProbe({ reachable }) }
  }

  #witnesses(peer: Peer): Peer[] {
    const others = this.#init.table.list().filter((member) => member.connected && member.peer !== peer)
    const from = Math.floor(this.#init.random() * others.length)
    return [...others.slice(from), ...others.slice(0, from)].slice(0, WITNESSES).map((member) => member.peer)
  }

  /** Whether the member answers anything at all; an open connection alone proves nothing. */
  async #reach(peer: Peer): Promise<boolean> {
    const head = encodeRequest({ kind: 'probe', peer })
    try {
      await this.#init.request(peer, PROTOCOL, { head }, { timeoutMs: REACH_TIMEOUT_MS })
      return true
    } catch (error) {
      return error instanceof OsirisError && !SILENCE.has(error.code)
    }
  }

  async #ask(witness: Peer, peer: Peer): Promise<boolean> {
    const head = encodeRequest({ kind: 'probe', peer })
    try {
      return decodeProbe((await this.#init.request(witness, PROTOCOL, { head }, { timeoutMs: ASK_TIMEOUT_MS })).head).reachable
    } catch {
      return false
    }
  }
}
