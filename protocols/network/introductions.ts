/** Two peers that just connected tell each other who they are and whom they know. */
import { collect } from '#protocols/body'
import { type HeardBeat, isSignedBy, readBeat } from './beats.ts'
import type { MemberTable } from './members.ts'
import { decodeHandedOut, decodeHello, encodeHandedOut, encodeHello, encodeRequest, type HandedOut, PROTOCOL } from './messages.ts'
import type { Message, Network, Peer } from './network.ts'
import type { Envelope } from './beats.ts'

export interface IntroductionsInit {
  table: MemberTable
  universe: string
  request: Network['request']
  /** This node's beat of now; null for a peer without a role. */
  own: () => HeardBeat | null
}

const TIMEOUT_MS = 3_000
/** A thousand members with beats of ordinary length are a tenth of this. */
const LIST_BYTES_MAX = 8 * 1024 * 1024

export class Introductions {
  readonly #init: IntroductionsInit

  constructor(init: IntroductionsInit) {
    this.#init = init
  }

  /** Introduces this node to a peer. Rejects as `Network.request` does. */
  async greet(peer: Peer): Promise<void> {
    const head = encodeRequest({ kind: 'hello', self: this.#init.own()?.envelope ?? null })
    const answer = await this.#init.request(peer, PROTOCOL, { head }, { timeoutMs: TIMEOUT_MS })
    const { self } = decodeHello(answer.head)
    if (self !== null) this.#hear(peer, self, 0)
    const list = decodeHandedOut(await collect(answer.body, LIST_BYTES_MAX, 'a list of members'))
    this.#hearAll(list)
  }

  /** Says goodbye to those who are connected; gossip may not leave a closing connection in time. Never rejects. */
  async part(peers: readonly Peer[], goodbye: HeardBeat, timeoutMs: number): Promise<void> {
    const head = encodeRequest({ kind: 'hello', self: goodbye.envelope })
    await Promise.allSettled(peers.map((peer) => this.#init.request(peer, PROTOCOL, { head }, { timeoutMs })))
  }

  /** Answers a peer that introduced itself. */
  answer(peer: Peer, self: Envelope | null): Message {
    if (self !== null) this.#hear(peer, self, 0)
    const others = this.#init.table.handOut().filter((each) => each.peer !== peer)
    return { head: encodeHello({ self: this.#init.own()?.envelope ?? null }), body: encodeHandedOut(others) }
  }

  #hearAll(list: HandedOut): void {
    for (const { peer, envelope, ageMs } of list) this.#hear(peer, envelope, ageMs)
  }

  /** Hearsay counts only with the signature of the member itself. A malformed entry is skipped. */
  #hear(peer: Peer, envelope: Envelope, ageMs: number): void {
    const { table, universe } = this.#init
    try {
      const heard = readBeat(envelope, universe)
      if (table.isNews(peer, heard.at) && isSignedBy(peer, envelope)) table.hear(peer, heard, ageMs)
    } catch {
      // from a peer that speaks nonsense, or a version of the beat this node cannot read
    }
  }
}
