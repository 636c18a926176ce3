/** One client's socket, and the requests in flight on it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isLoopbackAddress } from '#node/access'

/** One request in flight: aborts when its client is gone. */
export interface Flight {
  readonly controller: AbortController
  readonly response: ServerResponse
}

const CONNECTION = Symbol('osiris connection')

export class Connection {
  /** Found once: a socket does not move. */
  readonly loopback: boolean
  readonly socket: Socket
  readonly flights = new Set<Flight>()
  /** Since when a body is being collected on this connection (monotonic ms); 0 when none is. */
  collectingSince = 0
  #written = 0
  #stalledSince = 0

  constructor(socket: Socket) {
    this.socket = socket
    this.loopback = isLoopbackAddress(socket.remoteAddress)
    ;(socket as SocketWithConnection)[CONNECTION] = this
    socket.on('close', () => this.abandon())
  }

  begin(response: ServerResponse): Flight {
    const flight = { controller: new AbortController(), response }
    this.flights.add(flight)
    return flight
  }

  end(flight: Flight): void {
    this.flights.delete(flight)
  }

  /** How long the client has had bytes to read and has taken none; 0 while it takes some. Asked at intervals. */
  stalledMs(now: number): number {
    const { bytesWritten, writableLength } = this.socket
    // bytesWritten counts what waits in the buffer too.
    const taken = bytesWritten - writableLength
    if (writableLength === 0 || taken !== this.#written) {
      this.#written = taken
      this.#stalledSince = now
    }
    return now - this.#stalledSince
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
  const socket: SocketWithConnection = request.socket
  return socket[CONNECTION] ?? new Connection(socket)
}
