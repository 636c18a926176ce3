/** Lines to stderr that never hold the node up: written at once while there is room, kept for a while when its reader is slow, then dropped and counted. */
import { constants, fstatSync, openSync, writevSync } from 'node:fs'
import { Socket } from 'node:net'

/** Kept until there is room again; more is dropped. */
const UNWRITTEN_BYTES_MAX = 1024 * 1024
const RETRY_MS = 10
/** Lines of one call to the system: it costs as much for one. */
const LINES_AT_ONCE = 64
/** How long a process that ends waits for whoever reads its last words. */
const LAST_WORDS_MS = 500
const STDERR = 2

export interface LinesInit {
  /** A descriptor that answers EAGAIN instead of waiting. Default: stderr. */
  fd?: number
  /** There is room again: so many lines were dropped meanwhile. */
  onDropped: (lines: number) => void
}

export class Lines {
  readonly #fd: number
  readonly #onDropped: (lines: number) => void
  #unwritten: Buffer[] = []
  #bytes = 0
  #dropped = 0
  /** Its reader is slow, rather than gone. */
  #isFull = false
  #retry: NodeJS.Timeout | undefined
  #isTogether = false

  constructor(init: LinesInit) {
    this.#fd = init.fd ?? stderrWithoutWaiting()
    this.#onDropped = init.onDropped
    process.once('exit', () => this.#end())
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#bytes + bytes.length > UNWRITTEN_BYTES_MAX) {
      this.#dropped++
      return
    }
    this.#unwritten.push(bytes)
    this.#bytes += bytes.length
    if (this.#retry === undefined && !this.#isTogether) this.#flush()
  }

  /** What is written meanwhile leaves together. */
  together(write: () => void): void {
    this.#isTogether = true
    try {
      write()
    } finally {
      this.#isTogether = false
      if (this.#retry === undefined && this.#unwritten.length > 0) this.#flush()
    }
  }

  #flush(): void {
    this.#retry = undefined
    if (this.#hasWrittenAll()) return this.#tellDropped()
    this.#retry = setTimeout(() => this.#flush(), RETRY_MS)
    this.#retry.unref()
  }

  #end(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    const giveUpAt = performance.now() + LAST_WORDS_MS
    while (!this.#hasWrittenAll() && this.#isFull && performance.now() < giveUpAt)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    this.#tellDropped()
  }

  /** No room, a full disk, a reader that is gone: costs lines, never the node. */
  #hasWrittenAll(): boolean {
    try {
      while (this.#unwritten.length > 0) this.#writeSome()
      return true
    } catch (error) {
      this.#isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN'
      return false
    }
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return
    const lines = this.#dropped
    this.#dropped = 0
    this.#onDropped(lines)
  }

  #writeSome(): void {
    let written = writevSync(this.#fd, this.#unwritten.slice(0, LINES_AT_ONCE))
    this.#bytes -= written
    let whole = 0
    for (; written > 0; whole++) {
      const line = this.#unwritten[whole] as Buffer
      if (written < line.length) {
        this.#unwritten[whole] = line.subarray(written)
        break
      }
      written -= line.length
    }
    this.#unwritten.splice(0, whole)
  }
}

/**
 * Pipes and sockets are set not to wait. A pipe is opened anew for that, so that other processes which write to the same one keep it as it is;
 * of a socket there is only the one.
 */
function stderrWithoutWaiting(): number {
  const kind = fstatSync(STDERR)
  if (kind.isFIFO()) {
    try {
      return openSync(`/dev/fd/${STDERR}`, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch {
      // Another user's, or no such folder: as a socket.
    }
  }
  if (kind.isFIFO() || kind.isSocket()) notWaiting.push(new Socket({ fd: STDERR, readable: false, writable: true }).unref())
  return STDERR
}

/** Never written to: taking a descriptor over is what makes it not wait, and collecting the socket would close it. */
const notWaiting: Socket[] = []
