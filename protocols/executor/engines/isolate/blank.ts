/** Isolates from the snapshot that hold nothing yet: a first call takes one instead of waiting 2.5 ms for its own. */
import ivm from 'isolated-vm'
import { type Blank, openContext } from './context.ts'
import { EVENT } from './runtime/codes.ts'

/** What most functions ask for (`execution.memory`); others get theirs on demand. */
const MEMORY_MB_USUAL = 64
/** Bursts of first calls come together: a deploy, a caller that starts. */
const BURST_OVER_MS = 60_000
const FILENAME = 'osiris:runtime'

/** `runtime` is the bundle of runtime/main.ts. */
export function makeSnapshot(runtime: string): ivm.ExternalCopy<ArrayBuffer> {
  return ivm.Isolate.createSnapshot([{ code: runtime, filename: FILENAME }], WARM_UP)
}

export class Blanks {
  /** The runtime, evaluated. */
  readonly snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #usual: number
  readonly #most: number
  /** Wanted now: more after a burst that found none, the usual number after a while. */
  #keep: number
  #calm: NodeJS.Timeout | undefined
  readonly #random: () => string
  readonly #ready: Blank[] = []
  readonly #furnished = new WeakSet<Blank>()
  #making = false

  /** `random` gives 512 hex characters of entropy. */
  constructor(init: { snapshot: ivm.ExternalCopy<ArrayBuffer>; keep: number; keepMost: number; random: () => string }) {
    this.snapshot = init.snapshot
    this.#usual = this.#keep = init.keep
    this.#most = init.keepMost
    this.#random = init.random
  }

  /** A blank with this limit; made now unless one is waiting. */
  async take(memoryMbMax: number): Promise<Blank> {
    if (memoryMbMax !== MEMORY_MB_USUAL) return this.#make(memoryMbMax)
    const ready = this.#ready.pop()
    if (ready !== undefined) return ready
    this.#keep = Math.min(this.#most, this.#keep + 1)
    clearTimeout(this.#calm)
    this.#calm = setTimeout(() => this.#settle(), BURST_OVER_MS).unref()
    return this.#make(memoryMbMax)
  }

  /** Makes one if fewer than wanted are waiting, or goes on with one; to be called when there is nothing better to do. Whether there is more to do. */
  async refill(): Promise<boolean> {
    if (this.#making) return false
    if (this.#ready.length >= this.#keep) return this.#furnish()
    this.#making = true
    try {
      this.#ready.push(await this.#make(MEMORY_MB_USUAL))
    } finally {
      this.#making = false
    }
    return true
  }

  /** Web functions find what they need evaluated; those that share an isolate have it when they ask for it. A step of its own: it takes 1 ms. */
  #furnish(): boolean {
    const bare = this.#ready.find((each) => !this.#furnished.has(each))
    if (bare === undefined) return false
    this.#furnished.add(bare)
    bare.entries.event.applySync(undefined, [EVENT.furnish, 0, undefined])
    return true
  }

  #settle(): void {
    this.#keep = this.#usual
    for (const blank of this.#ready.splice(this.#usual)) blank.release()
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
  response.body.getReader().read()
  new TextDecoder().decode(new TextEncoder().encode('é'))
})()`
