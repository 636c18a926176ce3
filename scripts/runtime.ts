/**
 * Builds what runs in worker processes: the isolate's runtime (one script, evaluated into the start-up snapshot) and the worker's own bundle
 * (a plain file starts 45 ms sooner than TypeScript sources). Does nothing when both are newer than everything they are made of.
 */
import { readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildOptions } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const executor = join(root, 'protocols/executor')
interface Target {
  entry: string
  out: string
  options: BuildOptions
}

const targets: Target[] = [
  {
    entry: join(executor, 'engines/isolate/runtime/main.ts'),
    out: join(executor, 'engines/isolate/runtime.generated.js'),
    // Smaller by a third, in every isolate; names stay, since they are the names of globals.
    options: { platform: 'neutral', format: 'iife', minifyWhitespace: true, minifySyntax: true, legalComments: 'none' },
  },
  {
    entry: join(executor, 'worker/main.ts'),
    out: join(executor, 'worker/worker.generated.js'),
    options: { platform: 'node', format: 'esm', external: ['isolated-vm'], legalComments: 'inline' },
  },
]

const inputs = [...sources(executor), join(root, 'package-lock.json'), fileURLToPath(import.meta.url)]
const newest = Math.max(...inputs.map((path) => statSync(path).mtimeMs))
if (targets.some((target) => madeAt(target.out) <= newest)) for (const target of targets) await make(target)

async function make({ entry, out, options }: Target): Promise<void> {
  const result = await build({
    ...options,
    mainFields: ['module', 'main'],
    entryPoints: [entry],
    bundle: true,
    write: false,
    target: 'es2024',
    charset: 'utf8',
    absWorkingDir: root,
    logLevel: 'error',
  })
  // Renamed into place, so that a worker that starts meanwhile reads a whole file.
  writeFileSync(`${out}.${process.pid}`, result.outputFiles?.[0]?.contents ?? '')
  renameSync(`${out}.${process.pid}`, out)
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
}

function madeAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
