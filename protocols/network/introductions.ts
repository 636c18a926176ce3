/** Two peers tell each other who they are and whom they know: when they connect, and in a crowd from then on. */
import { collect } from '#protocols/body'
import { type Envelope, type HeardBeat, isSignedBy, type KnownKeys, readBeat } from './beats.ts'
import { fromAnywhere } from './crowd.ts'
import { decodeDigest } from './digest.ts'
import type { Random } from '#protocols/lifecycle'
import type { MemberTable } from './members.ts'
import { DEAD_MAX, decodeHandedOut, decodeHello, encodeHandedOut, encodeHello, encodeRequest, type Hello, PROTOCOL } from './messages.ts'
import type { Message, Network, Peer } from './network.ts'

export interface IntroductionsInit {
  table: MemberTable
  universe: string
  random: Random
  request: Network['request']
  /** This node's beat of now, and how old it is; null for a peer without a role. */
  own: () => Hello['self']
  /** A peer says that it could not reach this member. */
  doubted: (peer: Peer) => void
}

const TIMEOUT_MS = 3_000
/** A thousand members with beats of ordinary length are a tenth of this. */
const LIST_BYTES_MAX = 8 * 1024 * 1024

export class Introductions {
  readonly #init: IntroductionsInit
  readonly #keys: KnownKeys = new Map()

  constructor(init: IntroductionsInit) {
    this.#init = init
  }

  /** Introduces this node to a peer and asks it for what this one does not know. Rejects as `Network.request` does. */
  async greet(peer: Peer, timeoutMs = TIMEOUT_MS): Promise<void> {
    const { table, random, doubted } = this.#init
    const head = encodeRequest({ kind: 'hello', self: this.#init.own(), known: table.digest() })
    const answer = await this.#init.request(peer, PROTOCOL, { head }, { timeoutMs })
    const { self, dead } = decodeHello(answer.head)
    this.#hear(peer, self)
    const list = decodeHandedOut(await collect(answer.body, LIST_BYTES_MAX, 'a list of members'))
    // Who hears of many at once connects to the first of them.
    for (const each of fromAnywhere(list, random)) this.#hear(each.peer, each)
    for (const each of dead) if (table.get(each) !== undefined) doubted(each)
  }

  /** Says goodbye to those who are connected; gossip may not leave a closing connection in time. Never rejects. */
  async part(peers: readonly Peer[], goodbye: HeardBeat, timeoutMs: number): Promise<void> {
    const head = encodeRequest({ kind: 'hello', self: { envelope: goodbye.envelope, ageMs: 0 }, known: null })
    await Promise.allSettled(peers.map((peer) => this.#init.request(peer, PROTOCOL, { head }, { timeoutMs })))
  }

  /** Answers a peer that introduced itself. Throws `invalid_argument` for a digest that is none. */
  answer(peer: Peer, self: Hello['self'], known: Uint8Array | null): Message {
    const { table } = this.#init
    this.#hear(peer, self)
    if (known === null) return { head: encodeHello({ self: null, dead: [] }) }
    const digest = decodeDigest(known)
    const others = table.handOut(digest).filter((each) => each.peer !== peer)
    return { head: encodeHello({ self: this.#init.own(), dead: table.dead(digest, DEAD_MAX) }), body: encodeHandedOut(others) }
  }

  /** What is said of a member, by itself too, counts only with its signature: it is handed on. A malformed entry is skipped. */
  #hear(peer: Peer, said: { envelope: Envelope; ageMs: number } | null): void {
    if (said === null) return
    const { table, universe } = this.#init
    try {
      const heard = readBeat(said.envelope, universe)
      if (table.isNews(peer, heard.at) && isSignedBy(peer, said.envelope, this.#keys)) table.hear(peer, heard, said.ageMs)
    } catch {
      // from a peer that speaks nonsense, or a version of the beat this node cannot read
    }
  }
}
