/**
 * Ends connections whose other end is gone without a word: its host, its power, or the network between. Each is pinged by one small frame of the multiplexer;
 * libp2p's own monitor opens a stream for each ping, which costs ten times as much, and among forty nodes that are connected was a fifth of all they did.
 */
import { type Clock, every } from '#protocols/lifecycle'

/** A connection. */
export interface Watched {
  readonly id: string
  /** Settles when the other end has answered, or the connection has ended. */
  ping(): Promise<unknown>
  abort(error: Error): void
}

export interface MonitorInit {
  connections: () => readonly Watched[]
  clock: Clock
  /** Milliseconds between two pings of one connection; it is given half of that to answer. */
  everyMs?: number | undefined
}

const PING_EVERY_MS = 10_000
/** Whose own timers are so late had no processor, and judges nobody: the answers may wait to be read. */
const LATE_MS = 1_000

export class Monitor {
  readonly #init: MonitorInit
  readonly #roundMs: number
  /** Pinged and not heard of since, by id. */
  readonly #silent = new Set<string>()
  #isAsking = true
  #dueAt = 0
  #stop = (): void => {}

  constructor(init: MonitorInit) {
    this.#init = init
    this.#roundMs = (init.everyMs ?? PING_EVERY_MS) / 2
  }

  start(): void {
    const { clock } = this.#init
    this.#dueAt = clock.monotonic() + this.#roundMs
    this.#stop = every(
      clock,
      this.#roundMs,
      () => this.#round(),
      () => {},
    )
  }

  stop(): void {
    this.#stop()
    this.#silent.clear()
  }

  /** By turns asks all, and ends those that have not answered since. */
  #round(): void {
    const now = this.#init.clock.monotonic()
    const isLate = now - this.#dueAt > LATE_MS
    this.#dueAt = now + this.#roundMs
    if (this.#isAsking) for (const each of this.#init.connections()) this.#ask(each)
    else if (isLate) return
    else this.#end()
    this.#isAsking = !this.#isAsking
  }

  #ask(connection: Watched): void {
    const { id } = connection
    const heard = (): void => void this.#silent.delete(id)
    this.#silent.add(id)
    connection.ping().then(heard, heard)
  }

  #end(): void {
    for (const each of this.#init.connections())
      if (this.#silent.has(each.id)) each.abort(new Error('the other end has not answered a ping'))
    this.#silent.clear()
  }
}
