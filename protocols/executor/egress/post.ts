/** What the platform itself tells somebody outside: through the guard that functions' fetches pass, one request on a connection of its own. */
import { isIP } from 'node:net'
import { parseEgress } from '#protocols/egress'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { dial, type DialInit, type Resolve, systemResolve } from './dial.ts'
import { type Destination, type EgressPolicy, isLocalhost, judgeAddress, judgeUrl } from './guard.ts'
import { OwnAddresses } from './own-addresses.ts'
import { exchange } from './request.ts'

export interface PosterInit {
  clock: Clock
  /** Private addresses may be told, where the URL names them. */
  allowPrivate: boolean
  /** Where nodes of the universe listen: never told. */
  doors: () => EgressPolicy['doors']
  resolve?: Resolve
}

const CONNECT_MS = 5000
const HEAD_MS = 10_000

export class Poster {
  readonly #dialing: DialInit
  readonly #clock: Clock

  constructor({ clock, allowPrivate, doors, resolve = systemResolve() }: PosterInit) {
    const own = new OwnAddresses(clock)
    const policy = () => ({ allowPrivate, doors: doors(), ownAddresses: own.get() })
    this.#clock = clock
    this.#dialing = { clock, resolve, connectMs: CONNECT_MS, policy }
  }

  /** Throws `invalid_argument` or `egress_denied` for a URL that is never posted to; where its name leads is judged with each connection. */
  judge(url: string): void {
    const destination = this.#destination(url)
    const { host } = destination
    if (isIP(host) !== 0 || isLocalhost(host)) judgeAddress(destination, isIP(host) === 0 ? '127.0.0.1' : host, this.#dialing.policy())
  }

  /** Its status; the rest of the answer is not read, and no redirect followed. Rejects with `egress_denied`, `unavailable`, or the reason of `signal`. */
  async post(url: string, headers: [string, string][], body: Uint8Array, signal: AbortSignal): Promise<number> {
    const destination = this.#destination(url)
    const { socket } = await dial(destination, this.#dialing, signal)
    const giveUp = () => socket.destroy()
    signal.addEventListener('abort', giveUp)
    try {
      const times = { clock: this.#clock, headMs: HEAD_MS, idleMs: HEAD_MS }
      const response = await exchange(destination, socket, { method: 'POST', headers, body, bodyBytes: body.length }, times, () => {})
      response.on('error', () => {})
      return response.statusCode ?? 0
    } finally {
      signal.removeEventListener('abort', giveUp)
      socket.destroy()
    }
  }

  #destination(url: string): Destination {
    if (!URL.canParse(url))
      throw new OsirisError('invalid_argument', `Cannot post to ${JSON.stringify(url.slice(0, 200))}: it is not a URL`)
    const { protocol, origin } = new URL(url)
    // Whoever wrote the URL named its host.
    const patterns = protocol === 'http:' || protocol === 'https:' ? [parseEgress(origin)] : []
    return judgeUrl(url, patterns, this.#dialing.policy())
  }
}
