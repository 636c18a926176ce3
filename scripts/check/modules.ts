/** The modules of a tree and where each of their imports leads. */
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { type Import, importsOf } from './imports.ts'
import { isBroken, isTest, type Room, roomOf } from './rooms.ts'
import { isGenerated, packageOf, type Package, type Tree } from './tree.ts'

export interface Module {
  path: string
  room: Room
  test: boolean
  /** Lines of text. */
  lines: number
  imports: ResolvedImport[]
}

export interface ResolvedImport extends Import {
  /** `file`: one of ours; `package`: an outside one by its name; `builtin`: Node's; `nowhere`: `target` says why. */
  leadsTo: 'file' | 'package' | 'builtin' | 'nowhere'
  target: string
}

const MODULE = /\.[cm]?[jt]sx?$/

export function modulesOf(tree: Tree): Module[] {
  const manifest = packageOf(tree)
  return [...tree].flatMap(([path, text]) => {
    if (!MODULE.test(path) || isBroken(path)) return []
    const imports = importsOf(text).map((each) => ({ ...each, ...resolve(path, each.specifier, tree, manifest) }))
    return [{ path, room: roomOf(path), test: isTest(path), lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0), imports }]
  })
}

type Destination = Pick<ResolvedImport, 'leadsTo' | 'target'>

function resolve(from: string, specifier: string, tree: Tree, manifest: Package): Destination {
  if (specifier.startsWith('.')) return fileAt(posix.join(posix.dirname(from), specifier), tree)
  if (specifier.startsWith('#')) return throughMap(specifier, manifest.imports, tree, 'no key of "imports" in package.json leads there')
  if (specifier.startsWith('node:')) return { leadsTo: 'builtin', target: specifier }
  if (isBuiltin(specifier)) return nowhere(`write "node:${specifier}"`)
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  if (name !== manifest.name) return { leadsTo: 'package', target: name }
  return throughMap(`.${specifier.slice(name.length)}`, manifest.exports, tree, 'no key of "exports" in package.json leads there')
}

/** A `*` of the map stands for one name, never for a path: Node would let `#protocols/a/b` through wherever `b/index.ts` happens to exist. */
function throughMap(specifier: string, map: Package['imports'], tree: Tree, otherwise: string): Destination {
  for (const [key, target] of Object.entries(map)) {
    const [head = '', tail] = key.split('*')
    if (tail === undefined) {
      if (key === specifier) return fileAt(target, tree)
      continue
    }
    const name = specifier.slice(head.length, specifier.length - tail.length)
    if (specifier.startsWith(head) && specifier.endsWith(tail) && /^[\w-]+$/.test(name) && !(specifier in map))
      return fileAt(target.replace('*', name), tree)
  }
  return nowhere(otherwise)
}

function fileAt(path: string, tree: Tree): Destination {
  const target = posix.normalize(path)
  return tree.has(target) || isGenerated(target) ? { leadsTo: 'file', target } : nowhere(`there is no ${target}`)
}

function nowhere(target: string): Destination {
  return { leadsTo: 'nowhere', target }
}
