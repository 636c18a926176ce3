/** Isolates from the snapshot that hold nothing yet: a first call takes one instead of waiting 2.5 ms for its own. */
import ivm from 'isolated-vm'
import { type Blank, openContext } from './context.ts'

/** What most functions ask for (`execution.memory`); others get theirs on demand. */
const MEMORY_MB_USUAL = 64
const FILENAME = 'osiris:runtime'

export class Blanks {
  /** The runtime, evaluated. */
  readonly snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #keep: number
  readonly #random: () => string
  readonly #ready: Blank[] = []
  #making = false

  /** `runtime` is the bundle of runtime/main.ts; `random` gives 512 hex characters of entropy. */
  constructor(init: { runtime: string; keep: number; random: () => string }) {
    this.snapshot = ivm.Isolate.createSnapshot([{ code: init.runtime, filename: FILENAME }], WARM_UP)
    this.#keep = init.keep
    this.#random = init.random
  }

  /** A blank with this limit; made now unless one is waiting. */
  async take(memoryMbMax: number): Promise<Blank> {
    const ready = memoryMbMax === MEMORY_MB_USUAL ? this.#ready.pop() : undefined
    return ready ?? (await this.#make(memoryMbMax))
  }

  /** Makes one if fewer than wanted are waiting; to be called when there is nothing better to do. Whether there is more to do. */
  async refill(): Promise<boolean> {
    if (this.#making || this.#ready.length >= this.#keep) return false
    this.#making = true
    try {
      this.#ready.push(await this.#make(MEMORY_MB_USUAL))
    } finally {
      this.#making = false
    }
    return this.#ready.length < this.#keep
  }

  async #make(memoryLimit: number): Promise<Blank> {
    // No onCatastrophicError: without a handler isolated-vm writes why to stderr and aborts, which the node reads; with one it stops the thread for ever.
    const isolate = new ivm.Isolate({ memoryLimit, snapshot: this.snapshot })
    const context = await isolate.createContext()
    return {
      ...openContext(isolate, context, this.#random),
      isShared: false,
      release: () => void (isolate.isDisposed || isolate.dispose()),
    }
  }
}

/** Runs what most first calls run, so that its code is compiled in the snapshot. */
const WARM_UP = `(() => {
  const url = new URL('http://a.example/b?c=1')
  url.searchParams.get('c')
  const request = new Request(url, { method: 'POST', headers: { a: 'b' }, body: 'x' })
  request.headers.get('a')
  const response = new Response('x', { status: 201, headers: { a: 'b' } })
  response.headers.set('c', 'd')
  new TextDecoder().decode(new TextEncoder().encode('é'))
})()`
