/**
 * The layers of a libp2p connection as the short way through them knows them (`libp2p-lane.ts`). js-libp2p's types keep these parts private; its versions are
 * pinned, and what is not as it says here is not taken for it.
 */
import type { Connection } from '@libp2p/interface'
import type { Cipher } from './libp2p-protector.ts'

interface Length {
  readonly byteLength: number
}

/** What all layers are: @libp2p/utils' AbstractMessageStream. */
export interface Layer {
  readonly readStatus: string
  readonly writeStatus: string
  readonly remoteWriteStatus: string
  readonly sendingData: boolean
  readonly readBuffer: Length
  readonly writeBuffer: Length
  writableNeedsDrain: boolean
  /** Takes in what the layer below has read. */
  onData(bytes: Uint8Array): void
  listenerCount(type: string): number
  abort(error: Error): void
}

export interface Tcp extends Layer {
  readonly socket: { write(bytes: Uint8Array): boolean }
}

/** The pre-shared key's. */
export interface Box extends Layer {
  readonly maConn: Tcp
  readonly inboundXor: Cipher
  readonly outboundXor: Cipher
}

export interface Noise extends Layer {
  readonly stream: Box
  /** The parts of messages. */
  readonly decoder: { readonly buffer: Length }
  readonly handshake: {
    encrypt(plain: Uint8Array): Uint8Array
    /** Throws for what the peer did not seal. */
    decrypt(sealed: Uint8Array, into: Uint8Array): Uint8Array
  }
}

export interface Yamux {
  readonly maConn: Noise
  /** The parts of frames. */
  readonly decoder: { readonly buffer: Length }
  readonly streams: readonly { onMuxerNeedsDrain(): void }[]
}

export interface YamuxStream extends Layer {
  readonly streamId: number
  readonly state: number
  /** Bytes that may be sent. */
  sendWindowCapacity: number
  readonly recvWindow: number
  /** Bytes that the peer may send. */
  recvWindowCapacity: number
  sendWindowUpdate(): void
}

/** js-yamux: the handshake's flags ride on its frames until a stream is established. */
export const ESTABLISHED = 3

/** The uppermost layer; undefined where one of them is not as it is known here. */
export function yamuxOf(connection: Connection): Yamux | undefined {
  const { muxer } = connection as unknown as { muxer?: Partial<Yamux> }
  const noise: Partial<Noise> | undefined = muxer?.maConn
  const box: Partial<Box> | undefined = noise?.stream
  const tcp: Partial<Tcp> | undefined = box?.maConn
  const isKnown =
    [noise, box, tcp].every(isLayer) &&
    has(muxer?.decoder?.buffer, 'number', ['byteLength']) &&
    has(noise?.decoder?.buffer, 'number', ['byteLength']) &&
    has(noise?.handshake, 'function', ['encrypt', 'decrypt']) &&
    has(box?.inboundXor, 'function', ['update']) &&
    has(box?.outboundXor, 'function', ['update']) &&
    has(tcp?.socket, 'function', ['write']) &&
    Array.isArray(muxer?.streams)
  return isKnown ? (muxer as Yamux) : undefined
}

export function isYamuxStream(stream: object): stream is YamuxStream {
  return (
    isLayer(stream) &&
    has(stream, 'number', ['streamId', 'state', 'sendWindowCapacity', 'recvWindow', 'recvWindowCapacity']) &&
    has(stream, 'function', ['sendWindowUpdate'])
  )
}

function isLayer(value: object | undefined): boolean {
  const { readBuffer, writeBuffer } = (value ?? {}) as Partial<Layer>
  return (
    has(value, 'string', ['readStatus', 'writeStatus', 'remoteWriteStatus']) &&
    has(value, 'boolean', ['sendingData', 'writableNeedsDrain']) &&
    has(value, 'function', ['onData', 'listenerCount', 'abort']) &&
    has(readBuffer, 'number', ['byteLength']) &&
    has(writeBuffer, 'number', ['byteLength'])
  )
}

function has(value: object | undefined, type: 'string' | 'number' | 'boolean' | 'function', names: readonly string[]): boolean {
  return value !== undefined && names.every((name) => typeof (value as Record<string, unknown>)[name] === type)
}
