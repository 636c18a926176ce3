/** Isolates from the snapshot that hold nothing yet: a first call takes one instead of waiting 2.5 ms for its own. */
import ivm from 'isolated-vm'

/** What most functions ask for (`execution.memory`); others get theirs on demand. */
const MEMORY_MB_USUAL = 64
const FILENAME = 'osiris:runtime'

/** The few ways into an isolate, see runtime/entry.ts. */
export interface Entries {
  configure: ivm.Reference<(settings: string) => void>
  call: ivm.Reference<(id: number, args: string) => string | undefined>
  request: ivm.Reference<(id: number, head: string, body: unknown) => void>
  event: ivm.Reference<(kind: number, id: number, value: unknown) => number>
  drain: ivm.Reference<() => unknown[] | undefined>
  last: ivm.Reference<() => string | undefined>
}

export interface Blank {
  isolate: ivm.Isolate
  context: ivm.Context
  entries: Entries
  /** Modules every instance has: `osiris/function` for the user, the other one for `instance.ts`. */
  functionModule: ivm.Module
  bindModule: ivm.Module
}

export class Blanks {
  readonly #snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #keep: number
  readonly #random: () => string
  readonly #ready: Blank[] = []
  #making = false

  /** `runtime` is the bundle of runtime/main.ts; `random` gives 512 hex characters of entropy. */
  constructor(init: { runtime: string; keep: number; random: () => string }) {
    this.#snapshot = ivm.Isolate.createSnapshot([{ code: init.runtime, filename: FILENAME }], WARM_UP)
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
    const isolate = new ivm.Isolate({ memoryLimit, snapshot: this.#snapshot })
    const context = await isolate.createContext()
    const entry = context.evalClosureSync(OPEN_DOOR, [new ivm.Callback(this.#random, { sync: true })], {
      result: { reference: true },
      filename: FILENAME,
    }) as ivm.Reference<Record<string, unknown>>
    const at = (name: string) => entry.getSync(name, { reference: true })
    const names = ['configure', 'call', 'request', 'event', 'drain', 'last'] as const
    const entries = Object.fromEntries(names.map((name) => [name, at(name)])) as unknown as Entries
    const functionModule = builtIn(isolate, context, FUNCTION_MODULE)
    const bindModule = builtIn(isolate, context, BIND_MODULE)
    return { isolate, context, entries, functionModule, bindModule }
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

/** Takes the runtime's entry out of the new context; the modules below find their parts under a name that is gone before user code runs. */
const OPEN_DOOR = `const entry = globalThis.__osiris($0); globalThis.__osirisParts = { ...entry.exports, bind: entry.bind }; return entry`
const FUNCTION_MODULE = `const { env, log, call } = globalThis.__osirisParts; export { env, log, call }`
const BIND_MODULE = `const { bind } = globalThis.__osirisParts; delete globalThis.__osirisParts; export { bind }`

function builtIn(isolate: ivm.Isolate, context: ivm.Context, code: string): ivm.Module {
  const module = isolate.compileModuleSync(code, { filename: FILENAME })
  module.instantiateSync(context, () => {
    throw new Error('nothing to import')
  })
  module.evaluateSync()
  return module
}
