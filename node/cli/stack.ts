/** A function's stack as people read it: without the sentence above it, with paths that lead to the source where it lies here, and the line that threw. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { codeFrame } from '#protocols/code-frame'
import { printable } from './printable.ts'

/** `    at f (src/a.ts:1:2)`, `    at async src/a.ts:1:2`. A stack is a stranger's text: only relative paths inside are looked up. */
const FRAME = /^( *at (?:async )?(?:.{0,512} \()?)([^\s/\\:][^\\:]{0,500}):(\d{1,7}):(\d{1,7})(\)?)$/
const SOURCE = /\.[cm]?[jt]sx?$/
const SOURCE_BYTES_MAX = 1024 * 1024
/** Where projects lie below the folder a command is given in. */
const FOLDERS_MAX = 64

interface Frame {
  before: string
  path: string
  line: number
  column: number
  after: string
}

/** Lines to show, indented by four; empty when there is nothing but the sentence. */
export function stackLines(stack: string, cwd: string): string[] {
  const lines = stack.split('\n')
  const first = lines.findIndex((each) => /^\s+at /.test(each))
  // It begins with the error's own sentence, which has been said; what follows the frames (causes, gathered errors) has not.
  const shown = (first < 0 ? lines : lines.slice(first)).map((each) => shownLine(each, cwd))
  const excerpt = excerptOf(lines, cwd)
  return [...shown.map((each) => `    ${printable(each).trim()}`), ...excerpt.map((each) => `    ${printable(each)}`.trimEnd())]
}

function shownLine(line: string, cwd: string): string {
  const frame = frameIn(line)
  const found = frame && sourceAt(frame.path, cwd)
  return found === undefined ? line : `${frame?.before}${found}:${frame?.line}:${frame?.column}${frame?.after}`
}

/** The line that threw and its neighbours, of the first frame whose source lies here. */
function excerptOf(lines: string[], cwd: string): string[] {
  for (const line of lines) {
    const frame = frameIn(line)
    const found = frame && sourceAt(frame.path, cwd)
    if (frame === undefined || found === undefined) continue
    const text = readFileSync(join(cwd, found), 'utf8')
    if (text.split('\n').length < frame.line) return []
    return ['', `${found}:`, ...codeFrame(text, frame.line, frame.column).split('\n')]
  }
  return []
}

function frameIn(line: string): Frame | undefined {
  const match = FRAME.exec(line)
  if (match === null) return undefined
  const [, before = '', path = '', row = '', column = '', after = ''] = match
  return { before, path, line: Number(row), column: Number(column), after }
}

/** The path from here, when exactly one folder has it: this one, or one below it. Nothing of packages, nothing hidden, nothing outside. */
function sourceAt(path: string, cwd: string): string | undefined {
  const parts = path.split('/')
  if (!SOURCE.test(path) || parts.some((each) => each === '' || each.startsWith('.') || each === 'node_modules')) return undefined
  if (isSource(path, cwd)) return path
  const below = foldersIn(cwd)
    .map((folder) => `${folder}/${path}`)
    .filter((each) => isSource(each, cwd))
  return below.length === 1 ? below[0] : undefined
}

function isSource(path: string, cwd: string): boolean {
  try {
    const real = realpathSync(join(cwd, path))
    const { size } = statSync(real)
    return real.startsWith(realpathSync(cwd) + sep) && SOURCE.test(real) && size <= SOURCE_BYTES_MAX
  } catch {
    return false
  }
}

function foldersIn(cwd: string): string[] {
  try {
    const entries = readdirSync(cwd, { withFileTypes: true })
    const folders = entries.filter((each) => each.isDirectory() && !each.name.startsWith('.') && each.name !== 'node_modules')
    return folders.length > FOLDERS_MAX ? [] : folders.map((each) => each.name)
  } catch {
    return []
  }
}
