/**
 * How many calls a chain has made: one call from outside and all that functions call because of it. Counted where its first call runs, one by one and before
 * each begins, so that however it fans out and wherever it runs there are never more than `callsMax`. Another node asks that one, a round trip per call.
 */
import { decode, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { CALL_ID_PATTERN } from '#protocols/function'
import type { Chain } from '#protocols/invocation'
import type { MaybePromise } from '#protocols/lifecycle'
import type { Message, Network, RequestHandler } from '#protocols/network'
import type { Call } from '../call.ts'

/** One more call of a chain that began at the receiver: `[id of its first call]` → `[whether it may]`. */
export const CHAIN_PROTOCOL = 'executor/chain/1'
/** A peer that does not say whether a call may begin is not waited for any longer than this. */
const ASK_MS = 2000

export interface ChainsInit {
  /** Absent: nobody but this node counts, and it counts its own chains only. */
  network: Pick<Network, 'peer' | 'request'> | undefined
  callsMax: number
}

export class Chains {
  readonly callsMax: number
  readonly #network: ChainsInit['network']
  /** Of first calls that run here and have called others: how many calls their chain has made. */
  readonly #made = new Map<string, number>()

  constructor({ network, callsMax }: ChainsInit) {
    this.#network = network
    this.callsMax = callsMax
  }

  /** The chain of what this call calls; it begins with the call where it has none. */
  of(call: Call): Chain {
    const { id, chain } = call.invocation
    if (chain !== undefined) return chain
    if (!this.#made.has(id)) {
      this.#made.set(id, 0)
      call.ending.addEventListener('abort', () => this.#made.delete(id), { once: true })
    }
    return { id, at: this.#network?.peer ?? '' }
  }

  /** Counts one more call. `false`: the chain has made all it may. Rejects with `unavailable` where whoever counts cannot be asked, and where its first call is over. */
  spend({ id, at }: Chain, options: { timeoutMs: number; signal: AbortSignal }): MaybePromise<boolean> {
    if (this.#network === undefined || at === this.#network.peer) return this.#spendHere(id)
    return this.#spendThere(this.#network, id, at, options)
  }

  /** For peers. */
  readonly handle: RequestHandler = async ({ head }) => {
    const fields = decode(head)
    const id: unknown = Array.isArray(fields) ? fields[0] : undefined
    if (typeof id !== 'string' || !CALL_ID_PATTERN.test(id))
      throw new OsirisError('invalid_argument', 'Cannot count a call: it names no chain')
    return { head: encode([this.#spendHere(id)]) }
  }

  #spendHere(id: string): boolean {
    const made = this.#made.get(id)
    if (made === undefined) throw new OsirisError('unavailable', 'Cannot count a call: the first call of its chain is over')
    if (made >= this.callsMax) return false
    this.#made.set(id, made + 1)
    return true
  }

  async #spendThere(
    network: Pick<Network, 'request'>,
    id: string,
    at: string,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ) {
    const message: Message = { head: encode([id]) }
    const answer = await network.request(at, CHAIN_PROTOCOL, message, { timeoutMs: Math.max(1, Math.min(timeoutMs, ASK_MS)), signal })
    const fields = decode(answer.head)
    return Array.isArray(fields) && fields[0] === true
  }
}
