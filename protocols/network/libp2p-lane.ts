/**
 * The short way through a connection's four layers: yamux, noise, the pre-shared key, TCP. Each of them is an EventTarget with a list of buffers on either side,
 * which costs a message more than its ciphers do: eight events and some thirty lists from one process to the other, besides what is made for logs that nobody writes. A message
 * that is whole, of an established stream, with nothing before it in any layer, needs two ciphers and two short headers.
 *
 * Everything else goes the layers' own way from the first layer that cannot be passed: handshakes, other streams, parts of messages, whatever is longer than
 * noise seals at once, full sockets, flags, ends and errors. The bytes on the wire are the same. Nothing is kept here: what waits, waits in a layer.
 */
import type { Connection } from '@libp2p/interface'
import { readU32 } from './frames.ts'
import { type Box, ESTABLISHED, type Layer, type Noise, type Tcp, type Yamux, yamuxOf, type YamuxStream } from './libp2p-layers.ts'

/** `u8 version, u8 type, u16 flags, u32 stream, u32 length`; version 0, data and no flags are four zeros (https://github.com/hashicorp/yamux/blob/master/spec.md). */
const HEADER_BYTES = 12
/** Before each message of noise: `u16 length` (https://github.com/libp2p/specs/blob/master/noise/README.md#wire-format). */
const LENGTH_BYTES = 2
/** Of ChaCha20-Poly1305, behind what is sealed. */
const TAG_BYTES = 16
/** Sealed at once. */
const PLAIN_BYTES_MAX = 65_535 - TAG_BYTES

type Received = (bytes: Uint8Array) => void

const lanes = new WeakMap<Connection, Lane>()

/** The connection's short way, the same for all of its streams; undefined where its layers are not those known here. */
export function laneOf(connection: Connection): Lane | undefined {
  const known = lanes.get(connection)
  if (known !== undefined) return known
  const yamux = yamuxOf(connection)
  if (yamux === undefined) return undefined
  const lane = new Lane(yamux)
  lanes.set(connection, lane)
  return lane
}

export class Lane {
  readonly #tcp: Tcp
  readonly #box: Box
  readonly #noise: Noise
  readonly #yamux: Yamux
  readonly #streams = new Map<number, { stream: YamuxStream; received: Received }>()

  constructor(yamux: Yamux) {
    const noise = yamux.maConn
    const box = noise.stream
    const tcp = box.maConn
    this.#yamux = yamux
    this.#noise = noise
    this.#box = box
    this.#tcp = tcp
    const byLayers = tcp.onData.bind(tcp)
    tcp.onData = (bytes) => (isNext(tcp) ? this.#fromSocket(bytes) : byLayers(bytes))
  }

  /** Hands what comes on the stream over, unless its own listener is given it. Returns the way to stop. */
  enter(stream: YamuxStream, received: Received): () => void {
    this.#streams.set(stream.streamId, { stream, received })
    return () => void this.#streams.delete(stream.streamId)
  }

  /** Whether the socket takes more now, as `stream.send` says it. `undefined`: the message cannot go this way, and nothing was done. */
  send(stream: YamuxStream, bytes: Uint8Array): boolean | undefined {
    const { length } = bytes
    if (length === 0 || length > PLAIN_BYTES_MAX - HEADER_BYTES || length > stream.sendWindowCapacity || stream.state !== ESTABLISHED)
      return undefined
    if (!isIdle(stream) || !isIdle(this.#noise) || !isIdle(this.#box) || !isIdle(this.#tcp)) return undefined
    const plain = Buffer.allocUnsafe(HEADER_BYTES + length)
    plain.writeUInt32BE(0, 0)
    plain.writeUInt32BE(stream.streamId, 4)
    plain.writeUInt32BE(length, 8)
    plain.set(bytes, HEADER_BYTES)
    const sealed = this.#noise.handshake.encrypt(plain)
    const packet = Buffer.allocUnsafe(LENGTH_BYTES + sealed.length)
    packet.writeUInt16BE(sealed.length, 0)
    packet.set(sealed, LENGTH_BYTES)
    stream.sendWindowCapacity -= length
    const takesMore = this.#tcp.socket.write(this.#box.outboundXor.update(packet, packet))
    if (!takesMore) this.#fill()
    return takesMore
  }

  /** Each layer waits for the one below to be drained. */
  #fill(): void {
    for (const layer of [this.#tcp, this.#box, this.#noise]) layer.writableNeedsDrain = true
    for (const stream of this.#yamux.streams) stream.onMuxerNeedsDrain()
  }

  #fromSocket(bytes: Uint8Array): void {
    const opened = this.#box.inboundXor.update(bytes)
    for (let at = 0; at < opened.length;) {
      const end = at + LENGTH_BYTES + ((opened[at] as number) << 8) + (opened[at + 1] ?? 0)
      const isWhole = end <= opened.length && end - at >= LENGTH_BYTES + TAG_BYTES
      if (!isWhole || !isNext(this.#box) || this.#noise.decoder.buffer.byteLength > 0) return this.#box.onData(opened.subarray(at))
      this.#fromBox(opened.subarray(at + LENGTH_BYTES, end))
      at = end
    }
  }

  #fromBox(sealed: Uint8Array): void {
    let plain: Uint8Array
    try {
      // In its own place: nobody else has these bytes.
      plain = this.#noise.handshake.decrypt(sealed, sealed.subarray(0, sealed.length - TAG_BYTES))
    } catch (error) {
      return this.#noise.abort(error as Error)
    }
    for (let at = 0; at < plain.length;) {
      const isFree = isNext(this.#noise) && this.#yamux.decoder.buffer.byteLength === 0
      const taken = isFree ? this.#deliver(plain, at) : 0
      if (taken === 0) return this.#noise.onData(plain.subarray(at))
      at += taken
    }
  }

  /** The bytes of the frame that was delivered; 0 for one that yamux has to see. */
  #deliver(plain: Uint8Array, at: number): number {
    const rest = plain.length - at - HEADER_BYTES
    if (rest <= 0 || readU32(plain, at) !== 0) return 0
    const to = this.#streams.get(readU32(plain, at + 4))
    const length = readU32(plain, at + 8)
    if (to === undefined || length === 0 || length > rest || length > to.stream.recvWindowCapacity || !isNext(to.stream)) return 0
    const from = at + HEADER_BYTES
    to.stream.recvWindowCapacity -= length
    to.received(plain.subarray(from, from + length))
    to.stream.sendWindowUpdate()
    return HEADER_BYTES + length
  }
}

/** It would hand what it is given now to its one listener. */
function isNext(layer: Layer): boolean {
  return (
    layer.readStatus === 'readable' &&
    layer.remoteWriteStatus === 'writable' &&
    layer.readBuffer.byteLength === 0 &&
    layer.listenerCount('message') === 1
  )
}

/** It would hand what it is given now to the layer below. */
function isIdle(layer: Layer): boolean {
  return layer.writeStatus === 'writable' && !layer.writableNeedsDrain && !layer.sendingData && layer.writeBuffer.byteLength === 0
}
