/**
 * Receipts travel beside entries: with the answer to a push, by gossip when an entry has become committed, and by asking one member after the
 * other every few seconds about entries that still lack some. So every catalog ends with the receipts that prove what is committed.
 */
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import type { Events } from '#protocols/events'
import { breathe, type Clock, type Random } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { RECEIPT_BYTES_MAX, ReceiptRefusal, RECEIPTS_MAX, type SignedReceipt } from '../ledger/receipts/receipts.ts'
import type { ReceiptStore } from '../ledger/receipts/receipt-store.ts'
import { emptySchema, PROTOCOL, RECEIPTED_MAX, RECEIPTS_TOPIC, receiptsSchema } from '../messages.ts'
import { Turns } from '../turns.ts'

const REQUEST_MS_MAX = 5000
const ANSWER_BYTES_MAX = RECEIPTED_MAX * (RECEIPTS_MAX + 1) * RECEIPT_BYTES_MAX
/** A member that has just come may still be fetching the entries it is asked about. */
const JOIN_MS = 300
/** Receipts judged between two breaths of the event loop: about 3 ms of signatures. */
const BREATH = 32

export interface ReceiptExchangeInit {
  receipts: ReceiptStore
  network: Network
  clock: Clock
  random: Random
  events: Events
  /** Members with the catalog role, this node not among them. */
  others: () => Peer[]
  /** Runs before the first round. */
  prepare: () => Promise<void>
  intervalMs: number
}

export class ReceiptExchange {
  readonly #init: ReceiptExchangeInit
  readonly #turns: Turns<Peer>
  #known = new Set<Peer>()
  #stops: (() => void)[] = []
  #controller = new AbortController()
  #asking: Promise<void> = Promise.resolve()

  constructor(init: ReceiptExchangeInit) {
    this.#init = init
    this.#turns = new Turns(init.random)
  }

  start(): void {
    const { network, clock, random, intervalMs } = this.#init
    const { signal } = (this.#controller = new AbortController())
    let cancel = () => {}
    const schedule = () => {
      cancel = clock.after(intervalMs * (0.75 + 0.5 * random()), () => void this.#round().then(() => signal.aborted || schedule()))
    }
    this.#asking = this.#init.prepare().catch((error: unknown) => this.#tell(error))
    schedule()
    this.#stops = [
      network.subscribe(RECEIPTS_TOPIC, (_from, data) => this.#hear(data)),
      network.members.onChange(() => this.#greet()),
      () => cancel(),
    ]
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
    this.#controller.abort()
    this.#known.clear()
    await this.#asking
  }

  /** Tells everyone who listens. */
  async gossip(receipts: readonly SignedReceipt[]): Promise<void> {
    if (receipts.length === 0) return
    const data = encode(receipts.slice(0, RECEIPTS_MAX).map((each) => each.bytes))
    await this.#init.network.publish(RECEIPTS_TOPIC, data).catch((error: unknown) => this.#tell(error))
  }

  /** Asks about what is lacking here. Never rejects; one question at a time. */
  ask(peer: Peer): Promise<void> {
    const asking = this.#asking.then(() => this.#ask(peer)).catch((error: unknown) => this.#tell(error))
    this.#asking = asking
    return asking
  }

  async #round(): Promise<void> {
    const peer = this.#turns.next(this.#init.others())
    if (peer !== undefined) await this.ask(peer)
  }

  async #ask(peer: Peer): Promise<void> {
    const of = this.#init.receipts.next(RECEIPTED_MAX)
    if (of.length === 0 || this.#controller.signal.aborted) return
    const head = encode({ type: 'receipts', of })
    const options = { timeoutMs: REQUEST_MS_MAX, signal: this.#controller.signal }
    const response = await this.#init.network.request(peer, PROTOCOL, { head }, options)
    decodeAs(emptySchema, response.head, 'the answer to receipts')
    const list = decodeAs(receiptsSchema, await collect(response.body, ANSWER_BYTES_MAX, 'receipts'), 'receipts')
    await this.#takeAll(list)
  }

  /** `false`: must not be passed on. */
  #hear(data: Uint8Array): boolean {
    try {
      const list = decodeAs(receiptsSchema, data, 'receipts')
      if (list.length > RECEIPTS_MAX) return false
      this.#takeAll(list).catch((error: unknown) => this.#tell(error))
      return true
    } catch (error) {
      this.#tell(error)
      return false
    }
  }

  async #takeAll(list: readonly Uint8Array[]): Promise<void> {
    for (const [at, bytes] of list.entries()) {
      if (at % BREATH === BREATH - 1) await breathe(this.#init.clock)
      try {
        await this.#init.receipts.take(bytes)
      } catch (error) {
        if (!(error instanceof ReceiptRefusal)) throw error
        this.#tell(error)
      }
    }
  }

  #greet(): void {
    const others = new Set(this.#init.others())
    const { signal } = this.#controller
    for (const peer of others) {
      if (this.#known.has(peer)) continue
      this.#init.clock.after(JOIN_MS, () => void (signal.aborted || this.ask(peer)))
    }
    this.#known = others
  }

  #tell(error: unknown): void {
    if (this.#controller.signal.aborted) return
    this.#init.events.emit('log', { level: 'debug', room: 'catalog', text: error instanceof Error ? error.message : String(error) })
  }
}
