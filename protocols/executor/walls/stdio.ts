/** What a worker's process is given and says beside its pipe. */
import type { Readable } from 'node:stream'
import type { Socket } from 'node:net'

const KEPT = 4096

/** The end of what comes, as it is when it is asked for. */
export function lastWords(stderr: Readable | null): () => string {
  let text = ''
  stderr?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('latin1')).slice(-KEPT)
  })
  return () => text
}

/** For whoever reads it to the end, or is gone already. */
export function writeAndClose(socket: Socket | null, bytes: Buffer): void {
  socket?.on('error', () => {})
  socket?.unref()
  socket?.end(bytes, () => socket.destroy())
}
