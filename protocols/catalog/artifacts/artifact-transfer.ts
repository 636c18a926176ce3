/**
 * One artifact on its way to this node: chunk by chunk, each verified when it has come, so that a holder that lies or is damaged is found at its first
 * bad chunk and the next holder goes on from there. At most a chunk per asked holder is in memory.
 */
import { ARTIFACT_BYTES_MAX, ARTIFACT_CHUNK_BYTES, type ArtifactName } from '#protocols/artifact'
import { collect } from '#protocols/body'
import { decodeAs, digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import type { IncomingArtifact } from './artifacts.ts'
import { firstOf } from '../hedge.ts'
import { artifactAnswerSchema, notHere, PROTOCOL } from '../messages.ts'
import { type Pace, PIECE_BYTES_MAX } from './pace.ts'

/** One piece over a line so thin that four of the smallest take so long is no use. */
const PIECE_MS_MAX = 15_000
/** A holder that does not bring a chunk for so long, or for four times as long as the chunk before took, gets company. */
const HEDGE_MS = 1000
const HEDGE_TIMES = 4
const IN_FLIGHT_MAX = 2

export interface TransferInit {
  name: Pick<ArtifactName, 'digest' | 'chunks'>
  holders: AsyncIterable<Peer>
  network: Network
  clock: Clock
  pace: Pace
  caller: Caller | undefined
  signal: AbortSignal
  /** Hears of a holder that sent bytes of another digest. */
  onLie: (peer: Peer) => void
}

/** Its bytes are to have the digest; without an end, they are all there are. */
interface Segment {
  digest: string
  from: number
  /** No piece goes beyond. */
  chunk: number
}

export class ArtifactTransfer {
  readonly #init: TransferInit
  readonly #holders: Holders
  #hedgeMs = HEDGE_MS
  /** Whether a holder sent bytes of another digest. */
  lied = false

  constructor(init: TransferInit) {
    this.#init = init
    this.#holders = new Holders(init.holders)
  }

  /** Writes all of it, in order. Throws `not_found`, `unavailable`, and what `into` throws. */
  async run(into: IncomingArtifact): Promise<void> {
    const { digest, chunks } = this.#init.name
    const digests = chunks ?? [digest]
    const chunk = chunks === undefined ? ARTIFACT_BYTES_MAX : ARTIFACT_CHUNK_BYTES
    for (const [at, each] of digests.entries()) {
      await into.write(await this.#get({ digest: each, from: at * ARTIFACT_CHUNK_BYTES, chunk }))
    }
  }

  async #get(segment: Segment): Promise<Uint8Array> {
    const { clock, signal, name } = this.#init
    const startedAt = clock.monotonic()
    const { peer, bytes } = await firstOf(this.#holders.all(), (peer, ended) => this.#from(peer, segment, ended), {
      clock,
      hedgeMs: this.#hedgeMs,
      inFlightMax: IN_FLIGHT_MAX,
      signal,
      goesOn: () => !signal.aborted,
      none: () => notHere(name.digest),
    })
    this.#holders.prefer(peer)
    this.#hedgeMs = Math.max(HEDGE_MS, HEDGE_TIMES * (clock.monotonic() - startedAt))
    return bytes
  }

  async #from(peer: Peer, segment: Segment, ended: AbortSignal): Promise<{ peer: Peer; bytes: Uint8Array }> {
    try {
      const bytes = await this.#pieces(peer, segment, ended)
      if (digestOf(bytes) === segment.digest) return { peer, bytes }
      this.lied = true
      this.#init.onLie(peer)
      throw useless(this.#init.name.digest, peer, 'its bytes have another digest')
    } catch (error) {
      if (!ended.aborted) this.#holders.drop(peer)
      throw error
    }
  }

  async #pieces(peer: Peer, { from, chunk }: Segment, ended: AbortSignal): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    let end = from + chunk
    for (let at = from; at < end;) {
      const { piece, asked, total } = await this.#init.pace.run(async (bytesMax) => {
        const room = ARTIFACT_CHUNK_BYTES - (at % ARTIFACT_CHUNK_BYTES)
        const asked = Math.min(bytesMax, room, end - at)
        return { asked, ...(await this.#ask(peer, at, asked, ended)) }
      })
      end = Math.min(end, total)
      if (piece.length !== Math.min(asked, end - at)) throw useless(this.#init.name.digest, peer, 'a piece has not the length asked for')
      pieces.push(piece)
      at += piece.length
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)
  }

  async #ask(peer: Peer, from: number, length: number, signal: AbortSignal): Promise<{ piece: Uint8Array; total: number }> {
    const { network, caller, name } = this.#init
    const head = encode({ type: 'artifact', digest: name.digest, from, length, ...(caller === undefined ? {} : { caller }) })
    const response = await network.request(peer, PROTOCOL, { head }, { timeoutMs: PIECE_MS_MAX, signal })
    const { total } = decodeAs(artifactAnswerSchema, response.head, 'the answer to artifact')
    return { piece: await collect(response.body, PIECE_BYTES_MAX, `artifact ${name.digest.slice(0, 8)}`), total }
  }
}

/** Peers in the order in which they are to be asked; who failed once is not asked again. */
class Holders {
  readonly #source: AsyncIterator<Peer>
  #known: Peer[] = []
  readonly #dropped = new Set<Peer>()

  constructor(source: AsyncIterable<Peer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  async *all(): AsyncGenerator<Peer> {
    for (const peer of [...this.#known]) if (!this.#dropped.has(peer)) yield peer
    for (let next = await this.#source.next(); next.done !== true; next = await this.#source.next()) {
      if (this.#known.includes(next.value)) continue
      this.#known.push(next.value)
      yield next.value
    }
  }

  prefer(peer: Peer): void {
    this.#known = [peer, ...this.#known.filter((each) => each !== peer)]
  }

  drop(peer: Peer): void {
    this.#dropped.add(peer)
  }
}

function useless(digest: string, peer: Peer, state: string): OsirisError {
  return new OsirisError('unavailable', `Cannot use artifact ${digest.slice(0, 8)} from ${peer}: ${state}`)
}
