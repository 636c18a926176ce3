/**
 * Answers that go on: streams and WebSockets that a token opened. Each ends when that token does: at its end at once, within seconds where it or what it stands
 * on is revoked. While there is none, nothing is kept and no timer runs.
 */
import { OsirisError } from '#protocols/errors'
import type { ByteStream } from '#protocols/invocation'
import { type Clock, every, type MaybePromise } from '#protocols/lifecycle'
import { SOCKET_MS_MAX } from '#protocols/socket'

const ROUND_MS = 1000
/** Passes looked at in one round: each may take a signature to be verified, or other nodes to be asked. */
const LOOKS_MAX = 500

/** What let a caller in. */
export interface PassInit {
  /** The same caller and the same function have the same one. */
  key: string
  /** Milliseconds since the epoch; absent: no end is known. */
  endsAtMs: number | undefined
  /** Whether it still holds: throws or rejects with `unauthenticated` or `forbidden` when it does not; whatever else goes wrong says nothing. */
  judge: () => MaybePromise<unknown>
}

class Pass {
  readonly init: PassInit
  readonly streams = new Set<StandingStream>()
  isLooking = false
  cancel = (): void => {}

  constructor(init: PassInit) {
    this.init = init
  }
}

export class Standing {
  readonly #clock: Clock
  /** In the order in which they are looked at. */
  readonly #passes = new Map<string, Pass>()
  #stop = (): void => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many answers go on. */
  get size(): number {
    return [...this.#passes.values()].reduce((sum, { streams }) => sum + streams.size, 0)
  }

  /** The body, for as long as the pass holds; then it fails with what ended it, and whoever makes it is told that nobody reads on. */
  during(body: ByteStream, init: PassInit): ByteStream {
    const pass = this.#passOf(init)
    const stream: StandingStream = new StandingStream(body, () => this.#left(pass, stream))
    pass.streams.add(stream)
    return stream
  }

  #passOf(init: PassInit): Pass {
    const known = this.#passes.get(init.key)
    if (known !== undefined) return known
    if (this.#passes.size === 0)
      this.#stop = every(
        this.#clock,
        ROUND_MS,
        () => this.#round(),
        () => {},
      )
    const pass = new Pass(init)
    this.#passes.set(init.key, pass)
    if (init.endsAtMs !== undefined) {
      // No answer goes on longer, and a timer cannot count much further.
      const leftMs = Math.min(SOCKET_MS_MAX, Math.max(0, init.endsAtMs - this.#clock.now()))
      pass.cancel = this.#clock.after(leftMs, () => void this.#look(pass))
    }
    return pass
  }

  #left(pass: Pass, stream: StandingStream): void {
    // Whoever reads may leave an answer that is over already, while others have its pass anew.
    if (!pass.streams.delete(stream) || pass.streams.size > 0) return
    pass.cancel()
    this.#passes.delete(pass.init.key)
    if (this.#passes.size === 0) this.#stop()
  }

  #round(): void {
    for (const pass of [...this.#passes.values()].slice(0, LOOKS_MAX)) {
      this.#passes.delete(pass.init.key)
      this.#passes.set(pass.init.key, pass)
      void this.#look(pass)
    }
  }

  async #look(pass: Pass): Promise<void> {
    if (pass.isLooking) return
    pass.isLooking = true
    try {
      await pass.init.judge()
    } catch (error) {
      if (error instanceof OsirisError && (error.code === 'unauthenticated' || error.code === 'forbidden'))
        for (const stream of pass.streams) stream.fail(error)
    } finally {
      pass.isLooking = false
    }
  }
}

class StandingStream implements ByteStream, AsyncIterator<Uint8Array> {
  readonly #body: ByteStream
  readonly #over: () => void
  #chunks: AsyncIterator<Uint8Array> | undefined
  #error: OsirisError | undefined
  #refuse = (_error: OsirisError): void => {}

  constructor(body: ByteStream, over: () => void) {
    this.#body = body
    this.#over = over
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array>>()
    this.#refuse = reject
    this.#step().then(resolve, reject)
    return promise
  }

  async #step(): Promise<IteratorResult<Uint8Array>> {
    try {
      const result = await this.#iterator().next()
      if (result.done === true) this.#over()
      return result
    } catch (error) {
      this.#over()
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#over()
    await this.#iterator().return?.()
    return { done: true, value: undefined }
  }

  fail(error: OsirisError): void {
    this.#error = error
    this.#refuse(error)
    void this.#leave()
  }

  /** Whoever makes it may complain about its early end; nobody is left to hear that. */
  async #leave(): Promise<void> {
    try {
      await this.return()
    } catch {
      // nothing to tell anybody
    }
  }

  #iterator(): AsyncIterator<Uint8Array> {
    return (this.#chunks ??= this.#body[Symbol.asyncIterator]())
  }
}
