/**
 * CompressionStream and DecompressionStream (Compression Standard), inside the isolate: their processor time and memory are the function's own. What comes
 * out waits for a reader before more goes in, in small pieces, so that a few kilobytes that stand for gigabytes are never unfolded ahead of need.
 */
import { Deflate, Gzip, Zlib } from 'fflate'
import type { ReadableStream, WritableStream } from 'web-streams-polyfill'
import { type Format, Inflator } from './inflate.ts'
import { streams } from './streams.ts'
import { bytesOf, stringOf } from './text.ts'

/** One byte of deflate stands for at most 1,032. */
const INFLATE_PIECE_BYTES = 1_024
const DEFLATE_PIECE_BYTES = 65_536

interface Codec {
  pieceBytes: number
  push(bytes: Uint8Array, out: (bytes: Uint8Array) => void): void
  end(out: (bytes: Uint8Array) => void): void
}

class BytesThroughCodec {
  readonly #readable: ReadableStream<Uint8Array>
  readonly #writable: WritableStream<ArrayBuffer | ArrayBufferView>

  constructor(codec: Codec) {
    const gate = new Gate()
    let out: { enqueue(bytes: Uint8Array): void; close(): void; error(reason: unknown): void } | undefined
    let cancelled: { reason: unknown } | undefined
    const give = (bytes: Uint8Array) => {
      if (bytes.length === 0 || cancelled !== undefined) return
      gate.close()
      out?.enqueue(bytes)
    }
    const guarded = async (step: () => void) => {
      try {
        step()
      } catch (error) {
        out?.error(error)
        throw error
      }
    }
    this.#readable = new (streams().ReadableStream)<Uint8Array>(
      {
        start: (controller) => {
          out = controller
        },
        pull: () => gate.open(),
        cancel: (reason: unknown) => {
          cancelled = { reason }
          gate.open()
        },
      },
      { highWaterMark: 0 },
    )
    this.#writable = new (streams().WritableStream)({
      write: async (chunk) => {
        let bytes = new Uint8Array(0)
        await guarded(() => {
          bytes = bytesOf(chunk).slice()
        })
        for (let at = 0; at < bytes.length; at += codec.pieceBytes) {
          await gate.opened()
          if (cancelled !== undefined) throw cancelled.reason
          await guarded(() => codec.push(bytes.subarray(at, at + codec.pieceBytes), give))
        }
      },
      close: () =>
        guarded(() => {
          codec.end(give)
          if (cancelled === undefined) out?.close()
        }),
      abort: (reason: unknown) => {
        if (cancelled === undefined) out?.error(reason)
      },
    })
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#readable
  }

  get writable(): WritableStream<ArrayBuffer | ArrayBufferView> {
    return this.#writable
  }
}

/** Open while a reader waits. */
class Gate {
  #isOpen = false
  #waiting: (() => void) | undefined

  open(): void {
    this.#isOpen = true
    this.#waiting?.()
    this.#waiting = undefined
  }

  close(): void {
    this.#isOpen = false
  }

  opened(): Promise<void> | undefined {
    if (this.#isOpen) return undefined
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }
}

export class CompressionStream extends BytesThroughCodec {
  constructor(format: string) {
    super(deflating(formatOf(format)))
  }

  get [Symbol.toStringTag](): string {
    return 'CompressionStream'
  }
}

export class DecompressionStream extends BytesThroughCodec {
  constructor(format: string) {
    const inflator = new Inflator(formatOf(format))
    super({ pieceBytes: INFLATE_PIECE_BYTES, push: (bytes, out) => inflator.push(bytes, out), end: () => inflator.end() })
  }

  get [Symbol.toStringTag](): string {
    return 'DecompressionStream'
  }
}

function formatOf(format: unknown): Format {
  const text = stringOf(format)
  if (text === 'gzip' || text === 'deflate' || text === 'deflate-raw') return text
  throw new TypeError(`The format ${JSON.stringify(text.slice(0, 100))} is not supported: "gzip", "deflate" and "deflate-raw" are`)
}

function deflating(format: Format): Codec {
  const deflate = format === 'gzip' ? new Gzip({ mtime: 0 }) : format === 'deflate' ? new Zlib() : new Deflate()
  const push = (bytes: Uint8Array, out: (bytes: Uint8Array) => void, last: boolean) => {
    deflate.ondata = (made) => out(made)
    deflate.push(bytes, last)
  }
  return {
    pieceBytes: DEFLATE_PIECE_BYTES,
    push: (bytes, out) => push(bytes, out, false),
    end: (out) => push(new Uint8Array(0), out, true),
  }
}
