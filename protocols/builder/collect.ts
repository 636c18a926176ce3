/** The files a function is made of, read where its author works: for the command line. */
import { readFile, realpath } from 'node:fs/promises'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Metafile } from 'esbuild'
import { OsirisError } from '#protocols/errors'
import type { SourceFiles } from './builder.ts'
import { bundleOptions, isBuildFailure, loadEsbuild } from './bundle.ts'
import { checkEntry } from './checks.ts'
import { type Edge, layOut, type Layout } from './layout.ts'
import { buildFailed, problemOf } from './problems.ts'

export interface Collected {
  files: SourceFiles
  entry: string
}

/** What resolution reads of a package.json; the rest (scripts, versions of tools) must not change a function's version. */
const PACKAGE_KEYS = ['name', 'type', 'main', 'module', 'browser', 'exports', 'imports', 'sideEffects']

/**
 * The closure of what `entryPath` imports, and its tests beside it: its own files, and those of npm packages in use with the package.json files that resolve them.
 * Paths are relative to the smallest folder that holds all own files; the project's tsconfig.json and package.json come along only where
 * they matter (JSX, path aliases, decorators, `#imports`), and then paths are relative to the project (`root`, or the nearest folder
 * with an osiris.yaml or package.json). Throws `invalid_argument` (no such file, empty, binary) and `build_failed` as a build would.
 */
export async function collectSources(entryPath: string, options: { root?: string } = {}): Promise<Collected> {
  const entry = await readEntry(resolve(entryPath))
  const project = options.root === undefined ? projectOf(dirname(entry)) : await realpath(resolve(options.root))
  const metafile = await trace(project, entry)
  const edges = edgesOf(metafile, project)
  const own = ownFiles(entry, edges)
  const tests = testsBeside(entry)
  const settings = projectFiles(project, own, edges)
  const root = settings.length > 0 ? commonFolder([...own, join(project, 'package.json')]) : commonFolder(own)
  const layout = layOut(root, entry, edges, packageNameAt)
  const files: SourceFiles = {}
  for (const [path, file] of layout.files) files[path] = await readFile(file, 'utf8')
  for (const [path, file] of packageFiles(layout, edges)) files[path] = reduced(await readFile(file, 'utf8'))
  for (const file of tests) files[relative(root, file)] = await readFile(file, 'utf8')
  for (const file of settings)
    files[relative(root, file)] = file.endsWith('package.json') ? reduced(readFileSync(file, 'utf8')) : readFileSync(file, 'utf8')
  return { files, entry: relative(root, entry) }
}

async function readEntry(path: string): Promise<string> {
  try {
    checkEntry(path, await readFile(path, 'utf8'))
    return await realpath(path)
  } catch (error) {
    if (error instanceof OsirisError) throw error
    throw new OsirisError('invalid_argument', `Cannot read "${path}": ${(error as Error).message}`, { cause: error })
  }
}

function projectOf(folder: string): string {
  for (let each = folder; ; each = dirname(each)) {
    if (existsSync(join(each, 'osiris.yaml')) || existsSync(join(each, 'package.json'))) return each
    if (each === dirname(each)) return folder
  }
}

async function trace(project: string, entry: string): Promise<Metafile> {
  const esbuild = await loadEsbuild()
  try {
    const hasTsconfig = existsSync(join(project, 'tsconfig.json'))
    return (await esbuild.build({ ...bundleOptions(project, relative(project, entry), hasTsconfig), sourcemap: false })).metafile
  } catch (error) {
    if (!isBuildFailure(error)) throw error
    const names = new Set(error.errors.flatMap((each) => each.location?.file ?? []))
    const files = Object.fromEntries([...names].map((name) => [name, readFileSync(join(project, name), 'utf8')]))
    const [first, ...others] = error.errors.map((each) => problemOf(each, files))
    if (first === undefined) throw error
    throw buildFailed(`"${relative(project, entry)}"`, [first, ...others])
  }
}

function edgesOf(metafile: Metafile, project: string): Edge[] {
  return Object.entries(metafile.inputs).flatMap(([from, { imports }]) =>
    imports
      .filter((each) => each.external !== true && each.original !== undefined && !each.path.startsWith('('))
      .map((each) => ({ from: join(project, from), specifier: each.original as string, to: join(project, each.path) })),
  )
}

/** What is reached from the entry without entering a package. */
function ownFiles(entry: string, edges: readonly Edge[]): string[] {
  const own = new Set([entry])
  for (const file of own) for (const edge of edges) if (edge.from === file && /^(\.{0,2}\/|#|@\/|~)/.test(edge.specifier)) own.add(edge.to)
  return [...own].filter((file) => !file.includes('/node_modules/'))
}

/** `greet.test.ts` belongs to `greet.ts`: it travels with it and is part of the version. */
function testsBeside(entry: string): string[] {
  const stem = entry.replace(/\.[cm]?[jt]sx?$/, '')
  const endings = ['test', 'spec'].flatMap((kind) => ['ts', 'tsx', 'js', 'jsx', 'mts', 'mjs'].map((each) => `.${kind}.${each}`))
  return endings.map((each) => stem + each).filter((file) => existsSync(file))
}

/** The project's own files that change what the bundler does with these sources. */
function projectFiles(project: string, own: readonly string[], edges: readonly Edge[]): string[] {
  const tsconfig = join(project, 'tsconfig.json')
  const matters =
    existsSync(tsconfig) &&
    (own.some((file) => file.endsWith('x')) || /"(paths|experimentalDecorators)"/.test(readFileSync(tsconfig, 'utf8')))
  const usesImports = edges.some((edge) => edge.specifier.startsWith('#') && own.includes(edge.from))
  return [...(matters ? [tsconfig] : []), ...(usesImports ? [join(project, 'package.json')] : [])]
}

function commonFolder(files: readonly string[]): string {
  const [first = '', ...others] = files.map((file) => dirname(file))
  return others.reduce((common, folder) => {
    let shared = common
    while (folder !== shared && !folder.startsWith(shared === '/' ? '/' : `${shared}/`)) shared = dirname(shared)
    return shared
  }, first)
}

function packageNameAt(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }).name ?? ''
  } catch {
    return undefined
  }
}

/** The package.json of each package, of folders inside it that files come from, and of folders that were imported by name (`preact/hooks`). */
function packageFiles(layout: Layout, edges: readonly Edge[]): Map<string, string> {
  const found = new Map<string, string>()
  const note = (logical: string, folder: string, inside: string) => {
    const file = join(folder, inside, 'package.json')
    if (existsSync(file)) found.set(join(logical, inside, 'package.json'), file)
  }
  for (const [logical, folder] of layout.packages) {
    for (const file of layout.files.values()) {
      if (!file.startsWith(`${folder}/`)) continue
      for (let inside = dirname(relative(folder, file)); ; inside = dirname(inside)) {
        note(logical, folder, inside)
        if (inside === '.') break
      }
    }
    const name = logical.slice(logical.lastIndexOf('node_modules/') + 'node_modules/'.length)
    for (const edge of edges) if (edge.specifier.startsWith(`${name}/`)) note(logical, folder, edge.specifier.slice(name.length + 1))
  }
  return found
}

function reduced(text: string): string {
  try {
    const whole = JSON.parse(text) as Record<string, unknown>
    return `${JSON.stringify(Object.fromEntries(PACKAGE_KEYS.filter((key) => key in whole).map((key) => [key, whole[key]])))}\n`
  } catch {
    return text
  }
}
