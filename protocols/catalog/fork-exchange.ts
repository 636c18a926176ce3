/**
 * Proofs of equivocation between catalogs: told by gossip when one is made, exchanged beside heads, and searched for where a peer's feed has another
 * entry in a place than ours. The ledger judges; here is only who is asked for what.
 */
import { collect } from '#protocols/body'
import { decodeAs } from '#protocols/codec'
import type { Message, Peer } from '#protocols/network'
import { type Entry, Refusal } from './ledger/entry.ts'
import type { Head } from './ledger/feeds.ts'
import type { ForkProof } from './ledger/forks/forks.ts'
import type { Ledger } from './ledger/ledger.ts'
import { emptySchema, ENTRIES_BYTES_MAX, entriesSchema, PROOFS_BYTES_MAX, type Request } from './messages.ts'

/** A topic's messages are bounded (64 KiB with what surrounds them); a longer proof travels as its two entries. */
const GOSSIP_BYTES_MAX = 60 * 1024
/** Answers taken from one peer at a time: more proofs than that come with the next exchange. */
const ANSWERS_MAX = 16
/** Feeds in which a peer's branch is searched, per exchange. */
const SEARCHES_MAX = 16

export interface ForkExchangeInit {
  ledger: Ledger
  publish: (data: Uint8Array) => void
  request: (peer: Peer, request: Request, timeoutMs: number) => Promise<Message>
}

export class ForkExchange {
  readonly #ledger: Ledger
  readonly #publish: ForkExchangeInit['publish']
  readonly #request: ForkExchangeInit['request']

  constructor(init: ForkExchangeInit) {
    this.#ledger = init.ledger
    this.#publish = init.publish
    this.#request = init.request
  }

  /** Tells everyone who listens. */
  tell(proof: ForkProof): void {
    for (const message of proof.bytes.length <= GOSSIP_BYTES_MAX ? [proof.bytes] : proof.entries) this.#publish(message)
  }

  /** Gets the proofs that this peer has and we lack. Throws what the request throws, `invalid_argument`, `Refusal`. */
  async exchange(peer: Peer, timeoutMs: number): Promise<void> {
    for (let answers = 0; answers < ANSWERS_MAX; answers += 1) {
      const response = await this.#request(peer, { type: 'proofs', known: this.#ledger.frozen() }, timeoutMs)
      decodeAs(emptySchema, response.head, 'the answer to proofs')
      const proofs = decodeAs(entriesSchema, await collect(response.body, 2 * PROOFS_BYTES_MAX, 'proofs'), 'proofs')
      const news = proofs.filter((proof) => this.#ledger.convict(proof))
      if (news.length === 0) return
    }
  }

  /** Where this peer's feeds differ from ours at or before its heads, gets its branch, so that the earliest fork is proven. */
  async compare(peer: Peer, heads: readonly Head[], timeoutMs: number): Promise<void> {
    const differ = heads.filter(({ author, seq, hash }) => (this.#ledger.hashAt(author, seq) ?? hash) !== hash)
    for (const { author, seq } of differ.slice(0, SEARCHES_MAX)) await this.search(peer, author, seq, timeoutMs)
  }

  /**
   * Feeds are hash-linked: two branches are equal up to some seq and differ from there on. Finds the first place where the peer's entry is not ours,
   * by halves, and proves that one; when the peer goes away meanwhile, the earliest one seen.
   */
  async search(peer: Peer, author: string, seq: number, timeoutMs: number): Promise<void> {
    let found: Entry | undefined
    try {
      for (let [same, differs] = [0, seq + 1]; differs - same > 1;) {
        const at = found === undefined ? seq : (same + differs) >>> 1
        const entry = await this.#entryOf(peer, author, at, timeoutMs)
        if (entry === undefined || (found === undefined && entry.hash === this.#ledger.hashAt(author, at))) return
        if (entry.hash === this.#ledger.hashAt(author, at)) same = at
        else [found, differs] = [entry, at]
      }
    } finally {
      if (found !== undefined) await this.#ledger.accuse(found)
    }
  }

  async #entryOf(peer: Peer, author: string, seq: number, timeoutMs: number): Promise<Entry | undefined> {
    const response = await this.#request(peer, { type: 'entries', wants: [{ author, from: seq, to: seq }] }, timeoutMs)
    const [bytes] = decodeAs(entriesSchema, await collect(response.body, 2 * ENTRIES_BYTES_MAX, 'entries'), 'entries')
    if (bytes === undefined) return undefined
    const entry = this.#ledger.opened(bytes)
    if (entry.author !== author || entry.seq !== seq) throw new Refusal('malformed', 'it is not the entry that was asked for')
    return entry
  }
}
