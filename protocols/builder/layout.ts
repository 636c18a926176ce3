/**
 * Where collected files go, so that the builder resolves every import to the same file again whatever the package manager did on
 * the author's machine (hoisted folders, pnpm's store, linked workspaces). Pure: the file system is asked through `packageNameAt`.
 */
import { dirname, join, relative, sep } from 'node:path/posix'

/** One import as the bundler resolved it; paths are absolute, POSIX and real. */
export interface Edge {
  from: string
  /** As written in the source. */
  specifier: string
  to: string
}

export interface Layout {
  /** Path in the source → file on this machine. */
  files: Map<string, string>
  /** Package folders in the source → the same on this machine. */
  packages: Map<string, string>
}

/** One copy of a package, or the author's own files (`name` empty). */
interface Place {
  /** On this machine. */
  folder: string
  /** In the source; empty for the author's own. */
  logical: string
}

/** Throws nothing; a file that no edge reaches is not in the layout. */
export function layOut(root: string, entry: string, edges: readonly Edge[], packageNameAt: (folder: string) => string | undefined): Layout {
  const from = Map.groupBy(edges, (edge) => edge.from)
  const own: Place = { folder: root, logical: '' }
  const layout: Layout = { files: new Map(), packages: new Map() }
  const queue: [string, Place][] = [[entry, own]]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [file, place] = next
    const path = join(place.logical, relative(place.folder, file))
    if (layout.files.has(path)) continue
    layout.files.set(path, file)
    for (const edge of from.get(file) ?? []) queue.push([edge.to, placeOf(edge, path, place, layout, packageNameAt)])
  }
  return layout
}

function placeOf(edge: Edge, path: string, importer: Place, layout: Layout, packageNameAt: (folder: string) => string | undefined): Place {
  if (/^\.{0,2}\//.test(edge.specifier)) return importer
  const target = packageOf(edge, packageNameAt)
  // `#imports`, a package that imports itself, and paths of a tsconfig stay where they are.
  if (target === undefined || target.folder === importer.folder) return importer
  const known = lookUp(layout, path, target.name)
  if (known !== undefined && layout.packages.get(known) === target.folder) return { folder: target.folder, logical: known }
  const logical = known === undefined ? `node_modules/${target.name}` : join(importer.logical || dirname(path), 'node_modules', target.name)
  layout.packages.set(logical, target.folder)
  return { folder: target.folder, logical }
}

/** The package a file belongs to, by the name it is imported under. */
function packageOf(edge: Edge, packageNameAt: (folder: string) => string | undefined): { name: string; folder: string } | undefined {
  const inStore = edge.to.lastIndexOf('/node_modules/')
  if (inStore >= 0) {
    const folderName = nameIn(edge.to.slice(inStore + '/node_modules/'.length))
    const name = edge.specifier.startsWith('#') ? folderName : nameIn(edge.specifier)
    return { name, folder: `${edge.to.slice(0, inStore)}/node_modules/${folderName}` }
  }
  const name = nameIn(edge.specifier)
  for (let folder = dirname(edge.to); folder !== dirname(folder); folder = dirname(folder)) {
    const found = packageNameAt(folder)
    if (found !== undefined) return found === name ? { name, folder } : undefined
  }
  return undefined
}

/** `@scope/name` or `name` of a specifier or of a path below node_modules. */
function nameIn(specifier: string): string {
  return specifier
    .split(sep)
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The folder the bundler would find from here: the nearest node_modules that has the name. */
function lookUp(layout: Layout, path: string, name: string): string | undefined {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (layout.packages.has(candidate)) return candidate
    if (folder === '.') return undefined
  }
}
