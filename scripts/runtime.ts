/**
 * Builds what starts often: the isolate's runtime (one script, evaluated into the start-up snapshot), the worker (a plain file starts 45 ms sooner
 * than TypeScript sources), and the node (one file instead of nine hundred halves the processor time of a start). Does nothing when all are newer than
 * everything they are made of; `node/cli/bin.js` runs the sources when they are newer than the bundle.
 */
import { readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildOptions, type Plugin } from 'esbuild'

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
    // Smaller by a third, in every isolate; names stay, since they are the names of globals. One character beyond Latin-1 would have V8 keep all of it
    // in two bytes per character.
    options: {
      platform: 'neutral',
      format: 'iife',
      minifyWhitespace: true,
      minifySyntax: true,
      legalComments: 'none',
      charset: 'ascii',
      plugins: [urlsOfCoreJs()],
    },
  },
  {
    entry: join(executor, 'worker/main.ts'),
    out: join(executor, 'worker/worker.generated.js'),
    options: { platform: 'node', format: 'esm', external: ['isolated-vm'], legalComments: 'inline' },
  },
  {
    entry: join(executor, 'walls/nursery-process.ts'),
    out: join(executor, 'walls/nursery.generated.js'),
    options: { platform: 'node', format: 'esm', legalComments: 'inline' },
  },
  {
    entry: join(root, 'node/cli/main.ts'),
    out: join(root, 'node/cli/main.generated.js'),
    options: {
      platform: 'node',
      format: 'esm',
      legalComments: 'none',
      external: ['level', 'esbuild', 'pino'],
      conditions: ['node'],
      // Half as long, and one byte a character: a universe reads it once for each node.
      minifyWhitespace: true,
      minifySyntax: true,
      charset: 'ascii',
      // For the CommonJS packages inside.
      banner: { js: "import { createRequire as createRequireOf } from 'node:module'\nconst require = createRequireOf(import.meta.url)" },
      plugins: [keepPlaces(join(root, 'node/cli')), httpWithoutSockets()],
    },
  },
]

const inputs = [
  ...['protocols', 'node', 'sdk'].flatMap((folder) => sources(join(root, folder))),
  join(root, 'package-lock.json'),
  fileURLToPath(import.meta.url),
]
const newest = Math.max(...inputs.map((path) => statSync(path).mtimeMs))
if (targets.some((target) => madeAt(target.out) <= newest)) for (const target of targets) await make(target)

async function make({ entry, out, options }: Target): Promise<void> {
  const result = await build({
    charset: 'utf8',
    ...options,
    mainFields: ['module', 'main'],
    entryPoints: [entry],
    bundle: true,
    write: false,
    target: 'es2024',
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

/**
 * core-js's URL and URLSearchParams as one module. Its 120 modules would each leave a function and an object in every context, used or not. It finds everything
 * global on an object of its own, and leaves what it makes there: evaluated late, it neither judges nor changes what functions have made of their globals by
 * then. Without `Headers` it leaves `fetch` and `Request` alone.
 */
function urlsOfCoreJs(): Plugin {
  const contents = `exports.URL = require('core-js/web/url.js'); exports.URLSearchParams = require('core-js/web/url-search-params.js')`
  const stdin = { contents, resolveDir: root }
  return {
    name: 'urls-of-core-js',
    setup(bundle) {
      bundle.onLoad({ filter: /core-js.web.url\.js$/ }, async () => {
        const options: BuildOptions = {
          platform: 'neutral',
          mainFields: ['main'],
          format: 'cjs',
          bundle: true,
          write: false,
          target: 'es2024',
        }
        const made = await build({ ...options, stdin, absWorkingDir: root, plugins: [scopeOfItsOwn()] })
        return { contents: made.outputFiles?.[0]?.contents ?? '', loader: 'js' }
      })
    },
  }
}

function scopeOfItsOwn(): Plugin {
  const hidden = ['URL', 'URLSearchParams', 'Headers'].map((name) => `${name}:{writable:true,configurable:true}`)
  return {
    name: 'scope-of-its-own',
    setup(bundle) {
      const load = (filter: RegExp, rewrite: (text: string) => string) =>
        bundle.onLoad({ filter }, async ({ path }) => ({ contents: rewrite(await readFile(path, 'utf8')), loader: 'js' }))
      load(/core-js.internals.global-this\.js$/, () => `module.exports=Object.create(globalThis,{${hidden.join(',')}})`)
      load(/core-js.internals.url-constructor-detection\.js$/, () => 'module.exports=false')
      const scoped = "var {URLSearchParams}=require('../internals/global-this');"
      load(/core-js.modules.web\.url-search-params\.(delete|has|size)\.js$/, (text) => scoped + text)
    },
  }
}

/** An import of `node:http` reads all that it exports, its WebSocket too, and that loads all of undici: 35 ms of processor in each process, a tenth of a node's start. */
function httpWithoutSockets(): Plugin {
  return {
    name: 'http-without-sockets',
    setup(bundle) {
      bundle.onResolve({ filter: /^(node:)?http$/ }, () => ({ path: 'node:http', namespace: 'built-in' }))
      bundle.onLoad({ filter: /./, namespace: 'built-in' }, () => ({ contents: `module.exports=process.getBuiltinModule('node:http')` }))
    },
  }
}

/** What a module finds beside itself is still there when the module is part of a bundle in `folder`. */
function keepPlaces(folder: string): Plugin {
  return {
    name: 'keep-places',
    setup(bundle) {
      bundle.onLoad({ filter: /walls.places\.ts$/ }, async ({ path }) => ({
        contents: (await readFile(path, 'utf8')).replaceAll('import.meta.url', `new URL('${relative(folder, path)}', import.meta.url)`),
        loader: 'ts',
      }))
    },
  }
}
