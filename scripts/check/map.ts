/** What the root's README and package.json say is there, against what is. */
import { posix } from 'node:path'
import { modulesOf } from './modules.ts'
import { folderOf } from './rooms.ts'
import { isGenerated, packageOf, type Tree, type Violation } from './tree.ts'

export function map(tree: Tree): Violation[] {
  return [...rooms(tree), ...targets(tree), ...links(tree)]
}

/** The README's map names every room, and no folder that does not exist. */
function rooms(tree: Tree): Violation[] {
  const section = mapSection(tree.get('README.md') ?? '')
  if (section === undefined) return [{ rule: 'map', path: 'README.md', text: 'has no heading with the word "map", and under it the rooms' }]
  const named = new Set(foldersIn(section))
  const there = new Set([...tree.keys()].flatMap(foldersAbove))
  const wanted = new Set(modulesOf(tree).flatMap((module) => folderOf(module.room) ?? []))
  return [
    ...[...wanted]
      .filter((folder) => !named.has(folder))
      .map((folder) => ({ rule: 'map', path: 'README.md', text: `the map lacks ${folder}/` })),
    ...[...named]
      .filter((folder) => !there.has(folder))
      .map((folder) => ({ rule: 'map', path: 'README.md', text: `the map has ${folder}/, which is not there` })),
  ]
}

/** From the heading that speaks of a map to the next heading; headings inside code are none. */
function mapSection(readme: string): string | undefined {
  const lines = readme.split('\n')
  let fenced = false
  const heading = lines.map((line) => {
    if (line.startsWith('```')) fenced = !fenced
    return !fenced && /^#+ /.test(line)
  })
  const start = lines.findIndex((line, i) => heading[i] && /\bmap\b/i.test(line))
  if (start === -1) return undefined
  const end = heading.indexOf(true, start + 1)
  return lines.slice(start + 1, end === -1 ? undefined : end).join('\n')
}

/** Folders a map names: as a tree (`protocols/`, below it and further in `network/`), or in the first cell of a table's row by their whole path. */
function foldersIn(section: string): string[] {
  const above: { indent: number; path: string }[] = []
  return section.split('\n').flatMap((line) => {
    const cell = /^\| *[`[]+([\w.-]+(?:\/[\w.-]+)*)\/?[`\]]/.exec(line)
    if (cell !== null) return [cell[1]!]
    const branch = /^([\s│├└─]*)([\w.-]+(?:\/[\w.-]+)*)\/(?:\s|$)/.exec(line)
    if (branch === null) return []
    const indent = branch[1]!.length
    while (above.length > 0 && above.at(-1)!.indent >= indent) above.pop()
    const path = [...(above.length > 0 ? [above.at(-1)!.path] : []), branch[2]!].join('/')
    above.push({ indent, path })
    return [path]
  })
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_part, i) => parts.slice(0, i + 1).join('/'))
}

/** Every target of `imports`, `exports` and `bin` exists; for a pattern, at least one file fits. */
function targets(tree: Tree): Violation[] {
  const { imports, exports, bin } = packageOf(tree)
  return Object.entries({ imports, exports, bin }).flatMap(([field, entries]) =>
    Object.entries(entries)
      .filter(([, target]) => !isThere(posix.normalize(target), tree))
      .map(([key, target]) => ({ rule: 'target', path: 'package.json', text: `"${field}" leads "${key}" to ${target}, where nothing is` })),
  )
}

function isThere(target: string, tree: Tree): boolean {
  const [head = '', tail] = target.split('*')
  if (tail === undefined) return tree.has(target) || isGenerated(target)
  return [...tree.keys()].some(
    (path) => path.startsWith(head) && path.endsWith(tail) && !path.slice(head.length, -tail.length).includes('/'),
  )
}

/** Every link of a page to a place in the checkout leads to a file or a folder. */
function links(tree: Tree): Violation[] {
  const folders = new Set([...tree.keys()].flatMap(foldersAbove))
  return [...tree].flatMap(([path, text]) => {
    if (!path.endsWith('.md')) return []
    const targets = [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map((match) => match[1]!)
    const there = (target: string) => {
      const place = posix.join(posix.dirname(path), target).replace(/\/$/, '')
      return tree.has(place) || folders.has(place)
    }
    return targets
      .filter((target) => !there(target))
      .map((target) => ({ rule: 'link', path, text: `links to ${target}, where nothing is` }))
  })
}
