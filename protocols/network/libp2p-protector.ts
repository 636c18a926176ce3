/**
 * The pre-shared key's cipher, with a limit to what it keeps. `xsalsa20` has one block of WebAssembly memory for all of a process, 640 KiB: each connection takes 128
 * bytes of it, which @libp2p/pnet never gives back, and a write is encrypted in what is left. Beyond it, all memory is soon used up and the error ends the
 * process: after 5,120 connections, whoever opened them, or a few hundred writes after one of 640 KiB.
 */
import { preSharedKey } from '@libp2p/pnet'
import type { ConnectionProtector } from '@libp2p/interface'

/** The part of a connection's two ciphers that is steered here; @libp2p/pnet's types keep it private. */
export interface Cipher {
  update(input: Uint8Array, output?: Uint8Array): Uint8Array
  /** Gives its memory back. */
  final(): void
}

/** Encrypted at once; leaves room for 6,000 ciphers. */
const PIECE_BYTES = 256 * 1024
const NOTHING = new Uint8Array(0)

export function connectionProtector(psk: Uint8Array): () => ConnectionProtector {
  const make = preSharedKey({ psk })
  return () => {
    const inner = make()
    return {
      protect: async (connection, options) => {
        const box = await inner.protect(connection, options)
        const { inboundXor, outboundXor } = box as unknown as { inboundXor: Cipher; outboundXor: Cipher }
        const ends = [tend(inboundXor), tend(outboundXor)]
        for (const each of [box, connection]) each.addEventListener('close', () => ends.forEach((end) => end()), { once: true })
        return box
      },
    }
  }
}

/** Returns the way to end the cipher; what is given to it after that is dropped. */
export function tend(cipher: Cipher): () => void {
  const update = cipher.update.bind(cipher)
  let ended = false
  cipher.update = (input, output = new Uint8Array(input.length)) => {
    if (ended) return NOTHING
    for (let at = 0; at < input.length; at += PIECE_BYTES) {
      const end = Math.min(at + PIECE_BYTES, input.length)
      update(input.subarray(at, end), output.subarray(at, end))
    }
    return output
  }
  return () => {
    if (ended) return
    ended = true
    cipher.final()
  }
}
