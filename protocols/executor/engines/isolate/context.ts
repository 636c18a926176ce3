/** A fresh context of the runtime inside an isolate that was made from its snapshot: one version's whole world. */
import ivm from 'isolated-vm'

const FILENAME = 'osiris:runtime'

/** The few ways into a context, see runtime/entry.ts. */
export interface Entries {
  configure: ivm.Reference<(settings: string) => void>
  call: ivm.Reference<(id: number, args: string, from?: string) => string | undefined>
  handle: ivm.Reference<(id: number, handler: string, event: string) => string | undefined>
  request: ivm.Reference<(id: number, head: string, body: unknown) => void>
  event: ivm.Reference<(kind: number, id: number, value: unknown) => number>
  start: ivm.Reference<(make: unknown, names: string) => void>
  drain: ivm.Reference<() => unknown[] | undefined>
  last: ivm.Reference<() => string | undefined>
}

export type TextEntry = ivm.Reference<(...args: never[]) => string | undefined>

/** What an instance is loaded into. */
export interface Blank {
  isolate: ivm.Isolate
  context: ivm.Context
  entries: Entries
  /** Modules every instance has: `osiris/function` for the user, the other one for `instance.ts`. */
  functionModule: ivm.Module
  bindModule: ivm.Module
  /** Functions of the same namespace have their contexts in the same isolate: then no entry may run anywhere but on the main thread. */
  isShared: boolean
  /** Ends it. The isolate goes too, with its last context. */
  release(): void
}

export type Opened = Omit<Blank, 'isShared' | 'release'>

const NAMES = ['configure', 'call', 'handle', 'request', 'event', 'start', 'drain', 'last'] as const

/** `random` gives 512 hex characters of entropy: the only thing of the host a context can reach. */
export function openContext(isolate: ivm.Isolate, context: ivm.Context, random: () => string): Opened {
  const entry = context.evalClosureSync(OPEN_DOOR, [new ivm.Callback(random, { sync: true })], {
    result: { reference: true },
    filename: FILENAME,
  }) as ivm.Reference<Record<string, unknown>>
  const at = (name: string) => entry.getSync(name, { reference: true })
  const entries = Object.fromEntries(NAMES.map((name) => [name, at(name)])) as unknown as Entries
  entry.release()
  const functionModule = builtIn(isolate, context, FUNCTION_MODULE)
  const bindModule = builtIn(isolate, context, BIND_MODULE)
  return { isolate, context, entries, functionModule, bindModule }
}

/** So that the isolate's collector may have it, while other contexts of the isolate go on. */
export function closeContext({ context, entries, functionModule, bindModule }: Opened): void {
  for (const name of NAMES) entries[name].release()
  functionModule.release()
  bindModule.release()
  context.release()
}

/** Takes the runtime's entry out of the new context; the modules below find their parts under a name that is gone before user code runs. */
const OPEN_DOOR = `const entry = globalThis.__osiris($0); globalThis.__osirisParts = { ...entry.exports, bind: entry.bind }; return entry`
const FUNCTION_MODULE = `const { env, log, call, caller, publish } = globalThis.__osirisParts; export { env, log, call, caller, publish }`
const BIND_MODULE = `const { bind } = globalThis.__osirisParts; delete globalThis.__osirisParts; export { bind }`

function builtIn(isolate: ivm.Isolate, context: ivm.Context, code: string): ivm.Module {
  const module = isolate.compileModuleSync(code, { filename: FILENAME })
  module.instantiateSync(context, () => {
    throw new Error('nothing to import')
  })
  module.evaluateSync()
  return module
}
