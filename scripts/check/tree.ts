/** The checkout as the checks see it: paths (with `/`, from the root) and texts. A plain map, so that a planted tree is as good as the real one. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

export type Tree = ReadonlyMap<string, string>

/** What stands at a place and breaks a rule. */
export interface Violation {
  rule: string
  path: string
  /** Counted from 1; absent where the whole file or folder is meant. */
  line?: number
  text: string
}

/** Folders that hold nothing of ours, or nothing that is kept. */
const SKIPPED = new Set(['node_modules', 'dist', 'coverage'])
const READ = /\.(?:[cm]?[jt]sx?|json|ya?ml|md)$|^LICENSE$/

/** Every source, configuration and page below `root`; hidden folders, builds and generated files are left out. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>()
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.has(entry.name)) walk(path)
      else if (entry.isFile() && READ.test(entry.name) && !isGenerated(path)) tree.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  walk('')
  return tree
}

/** Written by `npm run setup`, kept out of git. */
export function isGenerated(path: string): boolean {
  return path.endsWith('.generated.js')
}

const stringMap = z.record(z.string(), z.string()).default({})
const packageSchema = z.looseObject({
  name: z.string(),
  imports: stringMap,
  exports: stringMap,
  bin: stringMap,
  dependencies: stringMap,
  devDependencies: stringMap,
  engines: stringMap,
})
export type Package = z.infer<typeof packageSchema>

/** The root's package.json. Throws where there is none: nothing can be judged without it. */
export function packageOf(tree: Tree): Package {
  return packageSchema.parse(JSON.parse(tree.get('package.json') ?? 'null'))
}

export function format(violation: Violation): string {
  const place = violation.line === undefined ? violation.path : `${violation.path}:${violation.line}`
  return `${place}  ${violation.text}  [${violation.rule}]`
}
