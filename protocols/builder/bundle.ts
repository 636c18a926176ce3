/** The one address of esbuild. It runs as a process of its own, started with the first build. */
import { realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import type * as Esbuild from 'esbuild'
import type { BuildFailure, BuildOptions, BuildResult, Plugin } from 'esbuild'

import type { Clock } from '#protocols/lifecycle'

/** The module a function may import and that no bundle holds: the executor provides it. */
export const FUNCTION_MODULE = 'osiris/function'
export const OUTFILE = 'function.js'
/** A cancelled build ends between two files; one that is still inside a file by then is stuck in it. */
const KILL_AFTER_MS = 2000

/** Loading costs 30 ms and starting the process 20 more: neither belongs to the boot path. */
export function loadEsbuild(): Promise<typeof Esbuild> {
  return import('esbuild')
}

export function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && Array.isArray((error as Partial<BuildFailure>).errors)
}

/** Starts the process, so that the first build does not wait for it. */
export async function warmUp(): Promise<void> {
  const esbuild = await loadEsbuild()
  await esbuild.transform('')
}

/** Everything that decides the bytes of a bundle; `root` decides none of them. */
export function bundleOptions(root: string, entry: string, hasTsconfig: boolean): BuildOptions & { metafile: true; write: false } {
  return {
    absWorkingDir: root,
    entryPoints: [join(root, entry)],
    outfile: join(root, OUTFILE),
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    // What web apps from npm expect; `neutral` fails on several popular ones.
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    // What every supported Node understands; `esnext` would let decorators through, which none does.
    target: 'es2024',
    charset: 'utf8',
    external: [FUNCTION_MODULE],
    define: { 'process.env.NODE_ENV': '"production"' },
    loader: { '.txt': 'text', '.html': 'text', '.css': 'text', '.md': 'text', '.svg': 'text', '.sql': 'text' },
    legalComments: 'none',
    treeShaking: true,
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'silent',
    logLimit: 20,
    color: false,
    // Without these the bundler would look around on the machine it runs on.
    nodePaths: [],
    ...(hasTsconfig ? { tsconfig: join(root, 'tsconfig.json') } : { tsconfigRaw: {} }),
  }
}

/** Refuses to read any file outside `root`: absolute imports, `..`, and packages that happen to lie above it. */
function confine(root: string): Plugin {
  return {
    name: 'confine',
    setup(build) {
      build.onLoad({ filter: /.*/, namespace: 'file' }, ({ path }) => {
        const inside = relative(root, path)
        if (inside !== '' && !isAbsolute(inside) && inside !== '..' && !inside.startsWith(`..${sep}`)) return undefined
        return { errors: [{ text: 'The import leads outside the source' }] }
      })
    },
  }
}

export type Bundled = BuildResult<{ metafile: true; write: false }>

export interface BundleOptions {
  hasTsconfig: boolean
  /** Aborting cancels the build, and ends the bundler's process where it does not listen. */
  signal: AbortSignal
  clock: Clock
}

/** Bundles what lies in `folder`. Rejects with a BuildFailure for faults in the source, with anything else when the process or the build was ended. */
export async function bundle(folder: string, entry: string, { hasTsconfig, signal, clock }: BundleOptions): Promise<Bundled> {
  const esbuild = await loadEsbuild()
  const root = await realpath(folder)
  const context = await orAborted(
    esbuild.context({ ...bundleOptions(root, entry, hasTsconfig), plugins: [confine(root)] }),
    shared.lost.signal,
  )
  let cancelKill = () => {}
  const cancel = () => {
    context.cancel().catch(() => {})
    cancelKill = clock.after(KILL_AFTER_MS, () => void endProcess())
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    signal.throwIfAborted()
    return await orAborted(context.rebuild(), shared.lost.signal)
  } finally {
    signal.removeEventListener('abort', cancel)
    cancelKill()
    context.dispose().catch(() => {})
  }
}

/** The same code with no token over two lines, for parameters.ts. */
export async function withoutTemplates(code: string): Promise<string> {
  if (!code.includes('`')) return code
  const esbuild = await loadEsbuild()
  const options = { supported: { 'template-literal': false }, legalComments: 'none', charset: 'utf8', logLevel: 'silent' } as const
  return (await orAborted(esbuild.transform(code, options), shared.lost.signal)).code
}

export async function builderName(): Promise<string> {
  const esbuild = await loadEsbuild()
  return `esbuild ${esbuild.version}`
}

/** esbuild keeps one process for all of this one: the nodes of an in-process universe share it, and the last to leave ends it. */
const shared = { users: new Set<object>(), lost: new AbortController() }

export function takeProcess(user: object): void {
  shared.users.add(user)
}

export async function leaveProcess(user: object): Promise<void> {
  if (shared.users.delete(user) && shared.users.size === 0) await endProcess()
}

/** Ends the process at once; builds in it reject, and the next build starts another. */
export async function endProcess(): Promise<void> {
  const esbuild = await loadEsbuild()
  const { lost } = shared
  shared.lost = new AbortController()
  await esbuild.stop()
  lost.abort(new Error('the process of the bundler was ended'))
}

/** The work's end, or the abort's reason if that comes first; the work then ends unseen. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => {})
  }
}
