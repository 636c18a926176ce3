/** A libp2p stream as a pipe. */
import type { Connection, Stream } from '@libp2p/interface'
import { type Lane, laneOf } from './libp2p-lane.ts'
import { ESTABLISHED, isYamuxStream, type YamuxStream } from './libp2p-layers.ts'
import type { Pipe, PipeEnd } from './transport.ts'

export class StreamPipe implements Pipe {
  readonly #stream: Stream
  /** The short way of its connection. */
  readonly #short: { lane: Lane; stream: YamuxStream } | undefined

  constructor(stream: Stream, connection: Connection) {
    const lane = laneOf(connection)
    this.#stream = stream
    if (lane !== undefined && isYamuxStream(stream)) this.#short = { lane, stream }
  }

  /** Must be called in the tick the stream was given: bytes that nobody listens for reset it. */
  attach(end: PipeEnd): void {
    const stream = this.#stream
    if (isYamuxStream(stream)) spareWindowUpdates(stream)
    const leave = this.#short?.lane.enter(this.#short.stream, (bytes) => end.received(plain(bytes)))
    let open = true
    const closed = (reason: string): void => {
      if (!open) return
      open = false
      leave?.()
      end.closed(reason)
    }
    stream.addEventListener('message', ({ data }) => {
      if (data instanceof Uint8Array) return end.received(plain(data))
      for (const bytes of data) end.received(plain(bytes))
    })
    stream.addEventListener('drain', () => end.drained())
    stream.addEventListener('close', ({ error }) => closed(error?.message ?? 'the peer closed it'))
    // A pipe has no half: who stops writing here is done.
    stream.addEventListener('remoteCloseWrite', () => {
      closed('the peer closed it')
      stream.abort(new Error('the peer closed it'))
    })
    if (stream.status !== 'open') closed('the peer closed it')
  }

  send(bytes: Uint8Array): boolean {
    try {
      return this.#short?.lane.send(this.#short.stream, bytes) ?? this.#stream.send(bytes)
    } catch {
      // Closed in between; `closed` tells.
      return false
    }
  }

  close(reason: string): void {
    this.#stream.abort(new Error(reason))
  }
}

/** The cipher hands out Buffers; what leaves this room is plain bytes over any transport. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * js-yamux answers every data frame with a window update: one more write, and one more wake-up of the peer, per message. Told of half a window at a time,
 * the sender never waits either. Measured on calls through another node: two TCP segments each way become one.
 */
function spareWindowUpdates(stream: YamuxStream): void {
  const update = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    if (stream.state !== ESTABLISHED || stream.recvWindowCapacity <= stream.recvWindow / 2) update()
  }
}
