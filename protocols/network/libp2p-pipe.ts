/** A libp2p stream as a pipe. */
import type { Stream } from '@libp2p/interface'
import type { Pipe, PipeEnd } from './transport.ts'

export class StreamPipe implements Pipe {
  readonly #stream: Stream

  constructor(stream: Stream) {
    this.#stream = stream
  }

  /** Must be called in the tick the stream was given: bytes that nobody listens for reset it. */
  attach(end: PipeEnd): void {
    const stream = this.#stream
    spareWindowUpdates(stream)
    let open = true
    const closed = (reason: string): void => {
      if (!open) return
      open = false
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
      return this.#stream.send(bytes)
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

/** The part of js-yamux's stream that is steered below; its types keep it private. */
interface YamuxWindow {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate(): void
}
/** js-yamux: the handshake's flags ride on window updates until a stream is established. */
const ESTABLISHED = 3

/**
 * js-yamux answers every data frame with a window update: one more write, and one more wake-up of the peer, per message. Told of half a window at a time,
 * the sender never waits either. Measured on calls through another node: two TCP segments each way become one.
 */
function spareWindowUpdates(stream: Stream): void {
  const yamux = stream as unknown as YamuxWindow
  if (!('sendWindowUpdate' in yamux)) return
  const update = yamux.sendWindowUpdate.bind(yamux)
  yamux.sendWindowUpdate = () => {
    if (yamux.state !== ESTABLISHED || yamux.recvWindowCapacity <= yamux.recvWindow / 2) update()
  }
}
