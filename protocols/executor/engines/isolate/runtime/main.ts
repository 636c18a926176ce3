/**
 * The runtime inside an isolate, evaluated once into the start-up snapshot: web-standard globals, and the entry the engine takes hold of.
 * Nothing here reaches the host by itself; the engine calls in, and drains what there is to say.
 */
import { installCrypto } from './crypto.ts'
import { createEntry } from './entry.ts'
import { installGlobals } from './globals.ts'

const global = globalThis as unknown as Record<string, unknown>

/** Ways to spend memory or time that no limit of the engine counts, and clocks finer than it should have. */
const ABSENT = ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef']

installGlobals(global)

/** Called once per context, by the engine only: takes the door away with it. */
global['__osiris'] = (random: () => string) => {
  installCrypto(global, random)
  delete global['__osiris']
  for (const name of ABSENT) delete global[name]
  for (const name of Object.keys(global)) Object.defineProperty(global, name, { enumerable: false })
  return createEntry()
}
