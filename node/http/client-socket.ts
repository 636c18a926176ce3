/** One client's WebSocket, and the function that serves it: what the client says as a body, what the function says to the client. Each side's pace is the other's. */
import type { WebSocket } from 'ws'
import { OsirisError } from '#protocols/errors'
import type { Body, ByteStream } from '#protocols/invocation'
import { type Clock, every } from '#protocols/lifecycle'
import { closeFrame, CLOSED, maySend, readClose, SOCKET, SOCKET_MS_MAX, SocketDecoder, socketFrame } from '#protocols/socket'

/** What a client may have said that the function has not taken; beyond it the client's connection is not read. */
const WAITING_BYTES_MAX = 256 * 1024
/** How long a function may go on that was told of the end. */
const FAREWELL_MS = 10_000
const NOTHING = new Uint8Array()

export interface ClientSocketInit {
  clock: Clock
  pingMs: number
  idleMs: number
  /** Ends the function's run. */
  abandon: () => void
  /** Both sides are through. */
  over: () => void
}

/** What the client says, as the body of its request. May be iterated once. */
export class ClientWords implements ByteStream {
  #frames: Uint8Array[] = []
  #bytes = 0
  #isEnded = false
  #wake = (): void => {}
  /** Called when there is room again. */
  onRoom = (): void => {}

  /** Whether there is room for more. */
  push(frame: Uint8Array): boolean {
    if (this.#isEnded) return true
    this.#frames.push(frame)
    this.#bytes += frame.length
    this.#wake()
    return this.#bytes < WAITING_BYTES_MAX
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
          yield frame
          this.#bytes -= frame.length
          if (this.#bytes < WAITING_BYTES_MAX) this.onRoom()
        }
        if (this.#isEnded) return
        await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.#frames = []
      this.#isEnded = true
    }
  }
}

export class ClientSocket {
  readonly #init: ClientSocketInit
  readonly #socket: WebSocket
  readonly #words: ClientWords
  readonly #stops: (() => void)[]
  #isAlive = true
  #saidAt: number
  #isClosed = false
  #isFunctionThrough = false

  constructor(socket: WebSocket, words: ClientWords, body: Body | undefined, init: ClientSocketInit) {
    this.#init = init
    this.#socket = socket
    this.#words = words
    this.#saidAt = init.clock.monotonic()
    words.onRoom = () => {
      if (socket.isPaused) socket.resume()
    }
    socket.on('message', (data, isBinary) => this.#heard(data as Buffer, isBinary))
    socket.on('pong', () => (this.#isAlive = true))
    socket.on('close', (code, reason) => this.#clientIsThrough(code, reason))
    // What is wrong with what a client sends is in the code its socket closes with.
    socket.on('error', () => {})
    this.#stops = [
      every(
        init.clock,
        init.pingMs,
        () => this.#look(),
        () => {},
      ),
      init.clock.after(SOCKET_MS_MAX, () => this.close(CLOSED.goingAway, 'it has been open for a day')),
    ]
    void this.#tell(body)
  }

  /** For the client: the function hears of it when the client has agreed, or is gone. */
  close(code: number, reason: string): void {
    this.#socket.close(code, reason.slice(0, 120))
  }

  terminate(): void {
    this.#socket.terminate()
    this.#init.abandon()
  }

  #heard(data: Buffer, isBinary: boolean): void {
    this.#isAlive = true
    this.#saidAt = this.#init.clock.monotonic()
    if (!this.#words.push(socketFrame(isBinary ? SOCKET.binary : SOCKET.text, data))) this.#socket.pause()
  }

  /** Everything the function says. */
  async #tell(body: Body | undefined): Promise<void> {
    let isTold = Promise.resolve()
    let hasClosed = false
    const decoder = new SocketDecoder((kind, payload) => {
      this.#saidAt = this.#init.clock.monotonic()
      if (kind === SOCKET.close) {
        hasClosed = true
        const { code, reason } = readClose(payload)
        this.close(maySend(code) ? code : CLOSED.normal, Buffer.from(reason).toString())
      } else if (kind !== SOCKET.probe && !hasClosed) isTold = this.#send(payload, kind === SOCKET.binary)
    })
    try {
      for await (const chunk of body as ByteStream) {
        decoder.push(chunk)
        await isTold
      }
      if (!hasClosed) this.close(CLOSED.failed, 'the function ended')
    } catch (error) {
      const code = error instanceof OsirisError ? error.code : undefined
      const isOver = code === 'unauthenticated' || code === 'forbidden'
      this.close(isOver ? CLOSED.policy : CLOSED.failed, code ?? 'the function said nothing that can be read')
    }
    this.#isFunctionThrough = true
    this.#mayBeOver()
  }

  /** Resolves when the system has taken it: no more of the body is read before. */
  #send(payload: Uint8Array, binary: boolean): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve()
      this.#socket.send(payload, { binary }, () => resolve())
    })
  }

  #clientIsThrough(code: number, reason: Buffer): void {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    this.#words.push(closeFrame(code === CLOSED.none ? CLOSED.normal : code, code === CLOSED.lost ? NOTHING : reason))
    this.#words.end()
    if (!this.#isFunctionThrough) this.#stops.push(this.#init.clock.after(FAREWELL_MS, this.#init.abandon))
    this.#mayBeOver()
  }

  #look(): void {
    if (!this.#isAlive && !this.#socket.isPaused) return this.#socket.terminate()
    if (this.#init.clock.monotonic() - this.#saidAt > this.#init.idleMs) return this.close(CLOSED.goingAway, 'nobody said anything')
    this.#isAlive = false
    this.#socket.ping()
  }

  #mayBeOver(): void {
    if (!this.#isClosed || !this.#isFunctionThrough) return
    for (const stop of this.#stops) stop()
    this.#init.over()
  }
}
