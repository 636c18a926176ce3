/** A request body that a second attempt can read again, as long as little of it was taken. */
import type { Body, ByteStream } from '#protocols/invocation'

/** What one waiting call may cost in memory; a refusal usually comes back before more has left. */
const KEPT_BYTES_MAX = 64 * 1024

/**
 * Hands the same stream to one attempt after the other. What an attempt took is kept and given again to the next, until more than
 * 64 KiB were taken: from then on nothing is kept, and `canReplay` is false. An attempt that leaves early leaves the source running
 * for the next one; after `commit()` there is no next one, and the source is cancelled with its reader.
 */
export class ReplayableBody {
  readonly #source: AsyncIterator<Uint8Array>
  #kept: Uint8Array[] | undefined = []
  #keptBytes = 0
  #ended = false
  #pending: Promise<IteratorResult<Uint8Array>> | undefined
  /** The attempt that may read; earlier ones find the stream at its end. */
  #attempt = 0
  #committed = false
  /** Whether the latest attempt has stopped reading. */
  #left = false

  constructor(stream: ByteStream) {
    this.#source = stream[Symbol.asyncIterator]()
  }

  get canReplay(): boolean {
    return this.#kept !== undefined
  }

  /** The body from its beginning, for the next attempt. */
  stream(): ByteStream {
    const attempt = ++this.#attempt
    this.#left = false
    return { [Symbol.asyncIterator]: () => this.#read(attempt) }
  }

  /** The latest attempt was the last. */
  commit(): void {
    this.#committed = true
    if (this.#left) this.#cancel()
  }

  async *#read(attempt: number): AsyncGenerator<Uint8Array> {
    try {
      for (let index = 0; attempt === this.#attempt; index++) {
        const chunk = this.#kept?.[index] ?? (await this.#pull(attempt))
        if (chunk === undefined) return
        yield chunk
      }
    } finally {
      if (attempt === this.#attempt) {
        this.#left = true
        if (this.#committed) this.#cancel()
      }
    }
  }

  /** The next chunk of the source. One that was asked for and not taken, because its attempt ended meanwhile, goes to the next attempt. */
  async #pull(attempt: number): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined
    this.#pending ??= this.#source.next()
    const next = await this.#pending.catch((error: unknown) => {
      this.#ended = true
      this.#kept = undefined
      throw error
    })
    if (attempt !== this.#attempt) return undefined
    this.#pending = undefined
    if (next.done === true) {
      this.#ended = true
      return undefined
    }
    this.#keep(next.value)
    return next.value
  }

  #keep(chunk: Uint8Array): void {
    this.#keptBytes += chunk.length
    if (this.#committed || this.#keptBytes > KEPT_BYTES_MAX) this.#kept = undefined
    else this.#kept?.push(chunk)
  }

  #cancel(): void {
    this.#kept = undefined
    if (this.#ended) return
    this.#ended = true
    // The producer's own trouble at its end concerns nobody any more.
    this.#source.return?.().catch(() => {})
  }
}

/** Bytes can be sent any number of times, and so can nothing. */
export function isStream(body: Body | undefined): body is ByteStream {
  return body !== undefined && !(body instanceof Uint8Array)
}
