/** One client's socket, and the requests in flight on it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { isLoopbackAddress } from '#node/access'

/** One request in flight: aborts when its client is gone. */
export interface Flight {
  readonly controller: AbortController
  readonly response: ServerResponse
}

/** A body that has a time to be whole in. */
export interface Collecting {
  /** Monotonic milliseconds. */
  readonly since: number
  late(): void
}

const CONNECTION = Symbol('osiris connection')

export class Connection {
  /** Found once: a socket does not move. */
  readonly loopback: boolean
  /** How URLs begin that came over it. */
  readonly scheme: 'http' | 'https'
  readonly socket: Socket
  readonly flights = new Set<Flight>()
  #window: { since: number; taken: number } | undefined
  /** The body that is on its way on this connection and held until it is whole; requests come one after the other. */
  collecting: Collecting | undefined

  constructor(socket: Socket) {
    this.socket = socket
    this.loopback = isLoopbackAddress(socket.remoteAddress)
    this.scheme = (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
    ;(socket as SocketWithConnection)[CONNECTION] = this
    socket.on('close', () => this.abandon())
  }

  begin(response: ServerResponse): Flight {
    const flight = { controller: new AbortController(), response }
    this.flights.add(flight)
    return flight
  }

  /** Whether it may be closed after a while without a byte: no call runs for it, or it takes no byte of the answer that is there. */
  get isStale(): boolean {
    return this.flights.size === 0 || this.socket.writableLength > 0
  }

  /** Whether its client takes what it is sent slower than `bytesMin` per `windowMs`. To be asked again and again; `now` is monotonic. */
  isCrawling(now: number, windowMs: number, bytesMin: number): boolean {
    const { writableLength, bytesWritten } = this.socket
    // A stream of HTTP/2 counts no bytes, and has a bound of its own.
    if (writableLength === 0 || bytesWritten === undefined) {
      this.#window = undefined
      return false
    }
    const taken = bytesWritten - writableLength
    const window = (this.#window ??= { since: now, taken })
    if (now - window.since < windowMs) return false
    this.#window = { since: now, taken }
    return taken - window.taken < bytesMin
  }

  end(flight: Flight): void {
    this.flights.delete(flight)
  }

  /** The client is gone, or is given up. */
  abandon(): void {
    for (const flight of this.flights) flight.controller.abort()
    this.flights.clear()
  }
}

interface SocketWithConnection extends Socket {
  [CONNECTION]?: Connection
}

export function connectionOf(request: IncomingMessage): Connection {
  return connectionAt(request.socket)
}

export function connectionAt(socket: SocketWithConnection): Connection {
  return socket[CONNECTION] ?? new Connection(socket)
}
