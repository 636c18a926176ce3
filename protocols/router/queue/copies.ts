/** Other routers, asked about items: each question has a deadline, each answer is judged, and news for the same router leave together. */
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import {
  type Act,
  type ActAnswer,
  actAnswerSchema,
  BATCH_BYTES_MAX,
  claimAnswerSchema,
  compareAnswerSchema,
  type Compared,
  doneSchema,
  ITEMS_MAX,
  listAnswerSchema,
  lookAnswerSchema,
  type Part,
  payloadAnswerSchema,
  QUEUE_PROTOCOL,
  type Request,
} from './messages.ts'
import { ANSWER_BYTES_MAX, type ItemDetail, type ListFilter, PAYLOAD_BYTES_MAX } from './queue.ts'
import type { Asked } from './lease.ts'
import { detailOf, type Head } from './record.ts'

/** A router that is here answers within a sync of its disk; one that takes longer is as good as gone for this question. */
const ANSWER_MS = 3000
/** How long news may wait for others to the same router. */
const TELL_MS = 10
/** Encoding around what a body carries. */
const SLACK_BYTES = 1024 * 1024

export interface Told {
  head: Head
  answer: Uint8Array | undefined
}

export type ClaimAnswer = ReturnType<typeof claimAnswerSchema.parse>

export class Copies {
  readonly #network: Pick<Network, 'request'>
  readonly #clock: Clock
  readonly #controller = new AbortController()
  readonly #news = new Map<Peer, Map<string, Told>>()

  constructor(init: { network: Pick<Network, 'request'>; clock: Clock }) {
    this.#network = init.network
    this.#clock = init.clock
  }

  stop(): void {
    this.#controller.abort()
  }

  /** Resolves when they are on disk there. Throws what the router or the network says. */
  async put(peer: Peer, parts: Part[], repair = false): Promise<void> {
    decodeAs(doneSchema, (await this.#ask(peer, { type: 'put', repair }, encode(parts))).head, 'the answer to put')
  }

  /** Best effort: what does not arrive is found by comparing. */
  tell(peer: Peer, told: Told): void {
    const waiting = this.#news.get(peer)
    if (waiting !== undefined) {
      waiting.set(told.head.id, told)
      return
    }
    this.#news.set(peer, new Map([[told.head.id, told]]))
    this.#clock.after(TELL_MS, () => void this.#flush(peer))
  }

  /** What was to be told leaves now; resolves when it was answered or lost. */
  async flush(): Promise<void> {
    await Promise.all([...this.#news.keys()].map((peer) => this.#flush(peer)))
  }

  async claim(peer: Peer, id: string, { epoch, attempt }: Asked): Promise<ClaimAnswer> {
    const { head } = await this.#ask(peer, { type: 'claim', id, epoch, attempt, release: false })
    return decodeAs(claimAnswerSchema, head, 'the answer to claim')
  }

  /** Best effort: the other keeps what it granted until it hears of the item again. */
  release(peer: Peer, id: string, { epoch, attempt }: Asked): void {
    this.#ask(peer, { type: 'claim', id, epoch, attempt, release: true }).catch(() => {})
  }

  async look(peer: Peer, id: string): Promise<{ head: Head; detail: ItemDetail } | undefined> {
    const response = await this.#ask(peer, { type: 'look', id })
    const { head, running } = decodeAs(lookAnswerSchema, response.head, 'the answer to look')
    if (head === null || head.id !== id) return undefined
    const bytes = await collect(response.body, Math.max(ANSWER_BYTES_MAX, PAYLOAD_BYTES_MAX), 'an item of the queue')
    return { head, detail: detailOf({ head, claim: null }, running, bytes) }
  }

  async payload(peer: Peer, { id, bytes }: Head): Promise<Uint8Array | undefined> {
    const response = await this.#ask(peer, { type: 'payload', id })
    const { found } = decodeAs(payloadAnswerSchema, response.head, 'the answer to payload')
    const payload = await collect(response.body, PAYLOAD_BYTES_MAX, 'a payload')
    return found && payload.length === bytes ? payload : undefined
  }

  async list(peer: Peer, { kind, key, states, limit = 100 }: ListFilter): Promise<{ head: Head; running: boolean }[]> {
    const response = await this.#ask(peer, { type: 'list', kind, key, states: states === undefined ? null : [...states], limit })
    return decodeAs(listAnswerSchema, await collect(response.body, BATCH_BYTES_MAX, 'a list'), 'the answer to list')
  }

  async act(peer: Peer, act: Act, id: string): Promise<ActAnswer> {
    return decodeAs(actAnswerSchema, (await this.#ask(peer, { type: 'act', act, id })).head, `the answer to ${act}`)
  }

  async compare(peer: Peer, compared: Compared): Promise<{ later: Head[]; wanted: string[] }> {
    const response = await this.#ask(peer, { type: 'compare' }, encode(compared))
    return decodeAs(compareAnswerSchema, await collect(response.body, BATCH_BYTES_MAX, 'what differs'), 'the answer to compare')
  }

  async #flush(peer: Peer): Promise<void> {
    const told = [...(this.#news.get(peer)?.values() ?? [])]
    this.#news.delete(peer)
    for (const batch of batchesOf(told.map(({ head, answer }) => ({ head, bytes: answer ?? new Uint8Array() })))) {
      try {
        await this.#ask(peer, { type: 'tell' }, encode(batch))
      } catch {
        // Found by comparing.
      }
    }
  }

  #ask(peer: Peer, request: Request, body?: Uint8Array) {
    if (this.#controller.signal.aborted) throw new OsirisError('unavailable', 'Cannot ask about the queue: this node is stopping')
    const message = { head: encode(request), ...(body === undefined ? {} : { body }) }
    return this.#network.request(peer, QUEUE_PROTOCOL, message, { timeoutMs: ANSWER_MS, signal: this.#controller.signal })
  }
}

/** As many per message as one takes. */
export function batchesOf(parts: readonly Part[]): Part[][] {
  const batches: Part[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const part of parts) {
    const batch = batches.at(-1)
    bytes += part.bytes.length
    if (batch !== undefined && batch.length < ITEMS_MAX && bytes <= BATCH_BYTES_MAX - SLACK_BYTES) batch.push(part)
    else {
      batches.push([part])
      bytes = part.bytes.length
    }
  }
  return batches
}
