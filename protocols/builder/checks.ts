/** What is refused before the bundler sees it. Pure. */
import { posix } from 'node:path'
import { parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { assertName } from '#protocols/function'
import { functionConfigSchema, type FunctionSettings, settingsOf } from '#protocols/manifest'
import { parseRoute } from '#protocols/route'
import type { Source, SourceFiles } from './builder.ts'
import { largestOf } from './problems.ts'

export const FILES_MAX = 2000
export const SOURCE_BYTES_MAX = 8 * 1024 * 1024
/** Long enough for npm packages several levels deep; the manifest holds the entry's. */
const PATH_LENGTH_MAX = 1024
/** Text has hardly any of them; every common binary format has more. */
const STRANGE_SHARE_MAX = 0.05
/** People nest tens of brackets and generators hundreds; at a million the bundler's process takes a gigabyte and dies. */
const NESTING_MAX = 20_000

/** The settings of a source that may be built. Throws `invalid_argument`, or `payload_too_large` for too many or too large files. */
export function checkSource(source: Source): FunctionSettings {
  assertName(source.namespace, 'a namespace')
  assertName(source.name, 'a function name')
  const settings = settingsOf(parse(functionConfigSchema, source.config ?? {}, `the settings of "${source.namespace}/${source.name}"`))
  for (const route of settings.routes) parseRoute(route)
  checkFiles(source.files)
  const entry = Object.hasOwn(source.files, source.entry) ? source.files[source.entry] : undefined
  if (entry === undefined) throw refused(`the entry "${clip(source.entry)}" is not among its ${Object.keys(source.files).length} files`)
  checkEntry(source.entry, entry)
  return settings
}

/** Throws `invalid_argument` for a file that cannot be source: empty, binary, or of another language. */
export function checkEntry(path: string, text: string): void {
  if (!/\.[cm]?[jt]sx?$/.test(path)) throw refused(`the entry "${clip(path)}" is neither TypeScript nor JavaScript`)
  if (text.trim() === '') throw refused(`the file "${clip(path)}" is empty`)
  const strange = text.match(/(?![\t\n\v\f\r])[\p{Cc}\ufffd]/gu)?.length ?? 0
  if (text.includes('\0') || strange > text.length * STRANGE_SHARE_MAX) throw refused(`the file "${clip(path)}" is binary`)
}

function checkFiles(files: SourceFiles): void {
  const paths = Object.keys(files)
  if (paths.length > FILES_MAX) throw tooLarge(`it has ${paths.length} files, at most ${FILES_MAX} are taken`)
  let bytes = 0
  for (const path of paths) {
    checkPath(path)
    bytes += Buffer.byteLength(files[path] as string)
    if (bytes > SOURCE_BYTES_MAX)
      throw tooLarge(`its files are longer than ${SOURCE_BYTES_MAX} bytes together; the largest are ${largestOf(sizesOf(files))}`)
    if (nestingOf(files[path] as string) > NESTING_MAX) throw refused(`"${clip(path)}" is nested deeper than ${NESTING_MAX} brackets`)
    checkMapComments(path, files[path] as string)
  }
  const folders = new Set(paths.flatMap((path) => foldersOf(path)))
  const both = paths.find((path) => folders.has(path))
  if (both !== undefined) throw refused(`"${clip(both)}" is a file and a folder`)
}

/** Relative POSIX paths only: nothing may be written or read outside the build's own folder. */
function checkPath(path: string): void {
  const strange = path.length > PATH_LENGTH_MAX || /[\\\p{Cc}\p{Cs}]/u.test(path)
  if (strange || path.split('/').some((part) => part === '' || part === '.' || part === '..' || part.length > 255))
    throw refused(`${JSON.stringify(clip(path))} is not a relative path inside the source`)
}

/** The bundler reads the source map a comment names, wherever on this machine that leads: only data and files of the source may be named. */
function checkMapComments(path: string, text: string): void {
  for (const [, url = ''] of text.matchAll(/[#@] sourceMappingURL=([^\s*]+)/g)) {
    if (url.startsWith('data:')) continue
    const at = posix.join(posix.dirname(path), unescapedUrl(url))
    if (url.startsWith('/') || /^file:/i.test(url) || at === '..' || at.startsWith('../'))
      throw refused(`"${clip(path)}" names a source map outside the source ("${clip(url)}")`)
  }
}

function unescapedUrl(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}

function sizesOf(files: SourceFiles): [path: string, bytes: number][] {
  return Object.entries(files).map(([path, text]) => [path, Buffer.byteLength(text)])
}

/** An upper bound: brackets in strings and comments count too. */
function nestingOf(text: string): number {
  if (text.length < NESTING_MAX) return 0
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 40 || code === 91 || code === 123) deepest = Math.max(deepest, ++depth)
    else if (depth > 0 && (code === 41 || code === 93 || code === 125)) depth--
  }
  return deepest
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

function refused(reason: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot build: ${reason}`)
}

function tooLarge(reason: string): OsirisError {
  return new OsirisError('payload_too_large', `Cannot build: ${reason}`)
}

function clip(text: string): string {
  return text.slice(0, 160)
}
