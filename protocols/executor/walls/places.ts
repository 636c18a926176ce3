/** Where on this host the parts of a worker lie, and where they are inside its own file system, which has nothing else. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NODE_FLAGS } from './launch.ts'

/** Made by `node scripts/runtime.ts`. */
export const WORKER_ENTRY = fileURLToPath(new URL('../worker/worker.generated.js', import.meta.url))
/** What starts them, once there are some (`nursery.ts`). */
export const NURSERY_ENTRY = fileURLToPath(new URL('./nursery.generated.js', import.meta.url))
const RUNTIME = fileURLToPath(new URL('../engines/isolate/runtime.generated.js', import.meta.url))

/** Everything a worker can open. */
const ROOM = '/osiris'
const PACKAGES = ['isolated-vm', 'node-gyp-build']
const TRACE_MS = 5_000

export interface Mount {
  from: string
  to: string
}

export interface Places {
  mounts: Mount[]
  /** Starts Node inside; its arguments follow. */
  node: string[]
}

/** What decides, besides the text, whether code that a worker compiled fits another one: V8, its bindings, the processor, the worker's program. */
export function engineTag(entry: string): string {
  const require = createRequire(import.meta.url)
  const parts = [entry, RUNTIME, ...PACKAGES.map((name) => require.resolve(`${name}/package.json`))]
  const hash = createHash('sha256')
  for (const path of parts) hash.update(readFileSync(path))
  const { size, mtimeMs } = statSync(process.execPath)
  return JSON.stringify([process.version, process.versions.v8, process.arch, size, mtimeMs, NODE_FLAGS, hash.digest('hex')])
}

/** Throws when this host's Node is not what bubblewrap can be told to show: a system without glibc's loader, a Node that is elsewhere. */
export async function findPlaces(): Promise<Places> {
  const require = createRequire(import.meta.url)
  const { loader, libraries } = parseTrace(await trace(process.execPath))
  const packages = PACKAGES.map((name) => ({ from: dirname(require.resolve(`${name}/package.json`)), to: `${ROOM}/node_modules/${name}` }))
  return {
    mounts: [
      { from: realpathSync(process.execPath), to: `${ROOM}/node` },
      { from: loader, to: `${ROOM}/lib/ld.so` },
      ...libraries.map(({ name, path }) => ({ from: path, to: `${ROOM}/lib/${name}` })),
      { from: RUNTIME, to: `${ROOM}/engines/isolate/runtime.generated.js` },
      ...packages,
    ],
    // The loader is told where to look, so that neither a variable nor a cache of the host has to be there.
    node: [`${ROOM}/lib/ld.so`, '--inhibit-cache', '--library-path', `${ROOM}/lib`, '--argv0', 'node', `${ROOM}/node`],
  }
}

/** Where the program of a worker is seen; an ES module unless its name says otherwise. */
export function entryMount(entry: string): Mount {
  return { from: entry, to: `${ROOM}/worker/main${extname(entry) === '.cjs' ? '.cjs' : '.mjs'}` }
}

/** What glibc's loader says a program is made of (ld.so(8)): `name => path (address)`, the loader itself by its path alone. */
export function parseTrace(text: string): { loader: string; libraries: { name: string; path: string }[] } {
  const libraries = [...text.matchAll(/^\s*(\S+) => (\/\S.*) \(0x[0-9a-f]+\)$/gm)].map(([, name = '', path = '']) => ({ name, path }))
  const loader = /^\s*(\/\S+) \(0x[0-9a-f]+\)$/m.exec(text)?.[1]
  if (loader === undefined) throw new Error('what Node is linked with could not be found out')
  return { loader, libraries }
}

function trace(program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // Where no such loader starts it, it is asked for its version and ends.
    const options = { env: { LD_TRACE_LOADED_OBJECTS: '1' }, timeout: TRACE_MS, killSignal: 'SIGKILL' as const }
    execFile(program, ['--version'], options, (error, stdout) => (error === null ? resolve(stdout) : reject(error)))
  })
}
