/**
 * What an authority may ask for while it proves that a name leads here (RFC 8555 section 8.3, http-01). Behind one name may be several nodes, and the authority
 * reaches any of them: whoever orders tells all others first, so that each of them answers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { dropOldest } from '#protocols/bounded'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { IncomingRequest, Message, Network, Peer } from '#protocols/network'

/** `[token, answer]`, answered by nothing. */
export const CHALLENGE_PROTOCOL = 'acme-challenge/1'

const PATH = '/.well-known/acme-challenge/'
/** One per name that is asked for; names come one after the other. */
const OWN_MAX = 64
/** Of what others told: of one node, and of all. */
const TOLD_BY_ONE_MAX = 16
const TOLD_MAX = 1024
/** An authority looks within minutes, or not at all. */
const TOLD_MS = 15 * 60_000
/** Who does not take it within this is left out: the authority reaches another one, or the order is made again. */
const TELL_MS = 2000
/** Nodes told of one challenge. */
const MEMBERS_MAX = 1000

const TOKEN = /^[\w-]{16,128}$/
/** Of the account's key: SHA-256 in base64url. */
const THUMBPRINT = /^[\w-]{43}$/
const toldSchema = z.tuple([z.string().regex(TOKEN), z.string()]).refine(([token, answer]) => {
  const [name, thumbprint, ...more] = answer.split('.')
  return name === token && THUMBPRINT.test(thumbprint ?? '') && more.length === 0
}, 'the answer is not that of the token')

interface Told {
  from: Peer
  answer: string
  /** Monotonic milliseconds. */
  until: number
}

export interface ChallengesInit {
  clock: Clock
  network: Pick<Network, 'members' | 'request' | 'handle'>
}

export class Challenges {
  readonly #init: ChallengesInit
  readonly #own = new Map<string, string>()
  readonly #told = new Map<string, Told>()

  constructor(init: ChallengesInit) {
    this.#init = init
  }

  /** Answers it from now on; resolves when every other node that can be reached does. Never rejects. */
  async put(token: string, answer: string): Promise<void> {
    dropOldest(this.#own, OWN_MAX)
    this.#own.set(token, answer)
    const { network } = this.#init
    const message = { head: encode([token, answer]) }
    const members = network.members.list().slice(0, MEMBERS_MAX)
    await Promise.allSettled(members.map(({ peer }) => network.request(peer, CHALLENGE_PROTOCOL, message, { timeoutMs: TELL_MS })))
  }

  drop(token: string): void {
    this.#own.delete(token)
  }

  /** Opens it to other nodes. Returns the way to stop. */
  serve(): () => void {
    return this.#init.network.handle(CHALLENGE_PROTOCOL, (request) => this.#hear(request))
  }

  /** Whether it was one of them, and so is answered; every other path is a function's. */
  respond(request: Pick<IncomingMessage, 'method'>, response: ServerResponse, url: string): boolean {
    if ((this.#own.size === 0 && this.#told.size === 0) || !url.startsWith(PATH)) return false
    const answer = this.#answerTo(url.slice(PATH.length))
    if (answer === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return false
    response.writeHead(200, ['content-type', 'application/octet-stream', 'content-length', String(answer.length)])
    response.end(answer)
    return true
  }

  #answerTo(token: string): string | undefined {
    const own = this.#own.get(token)
    if (own !== undefined) return own
    const told = this.#told.get(token)
    return told !== undefined && told.until > this.#init.clock.monotonic() ? told.answer : undefined
  }

  /** Of members that were let in to serve names: whoever is believed here gets certificates for names that lead to this node. */
  async #hear({ peer, head }: IncomingRequest): Promise<Message> {
    const { clock, network } = this.#init
    if (network.members.get(peer)?.roles.includes('router') !== true)
      throw new OsirisError('forbidden', 'Cannot take the challenge: the peer is no member with the router role')
    const [token, answer] = decodeAs(toldSchema, head, 'a challenge')
    const now = clock.monotonic()
    const ofPeer: string[] = []
    for (const [known, { from, until }] of this.#told) {
      if (until <= now) this.#told.delete(known)
      else if (from === peer && known !== token) ofPeer.push(known)
    }
    const known = this.#told.get(token)
    if (known !== undefined && known.from !== peer) throw new OsirisError('conflict', 'Cannot take the challenge: another node told of it')
    if (ofPeer.length >= TOLD_BY_ONE_MAX) this.#told.delete(ofPeer[0] as string)
    if (this.#told.size >= TOLD_MAX) throw new OsirisError('overloaded', `Cannot take the challenge: there are ${TOLD_MAX} already`)
    this.#told.set(token, { from: peer, answer, until: now + TOLD_MS })
    return { head: encode(null) }
  }
}
