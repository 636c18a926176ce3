/** What the bundler says, as people read it: a place, a sentence and a code frame. Pure. */
import { builtinModules } from 'node:module'
import type { Message } from 'esbuild'
import { codeFrame } from '#protocols/code-frame'
import { OsirisError } from '#protocols/errors'
import type { SourceFiles } from './builder.ts'

export interface Problem {
  /** Relative to the source; empty when the problem has no place. */
  file: string
  /** From 1. */
  line: number
  /** From 1, in UTF-16 units. */
  column: number
  message: string
  /** The line, its neighbours and a caret; empty when the problem has no place. */
  frame: string
}

/** What a person can read at once; the bundler stops near 10 by itself. */
const PROBLEMS_MAX = 20
const LARGEST_MAX = 5
const KIB = 1024
const MIB = 1024 * KIB
const LARGEST_NAME_MAX = 120
/** `node:` names and their short forms, without those a package of the same name usually stands for. */
const BUILTINS = new Set(builtinModules)

export function problemOf(message: Message, files: SourceFiles): Problem {
  const { location } = message
  const text = plainly(message.text)
  // A place outside the source is a file of this machine: neither its path nor its text may leave.
  if (location === null || !Object.hasOwn(files, location.file)) return { file: '', line: 0, column: 0, message: text, frame: '' }
  const column = Buffer.from(location.lineText).subarray(0, location.column).toString().length + 1
  const frame = codeFrame(files[location.file] as string, location.line, column)
  return { file: location.file, line: location.line, column, message: text, frame }
}

/** The bundler's sentence, in this platform's terms. */
function plainly(text: string): string {
  const specifier = /^Could not resolve "(.*)"$/.exec(text)?.[1]
  if (specifier === undefined) return text
  if (specifier.startsWith('node:') || BUILTINS.has(specifier))
    return `Could not resolve "${specifier}": it is a module of Node.js, and functions have the web platform's APIs only`
  if (/^[./]/.test(specifier)) return `${text}: no such file in the source`
  return `${text}: the package is not in the source (is it installed where you deploy from?)`
}

/** One sentence with the place, and the frame under it. */
export function describe(problem: Problem): string {
  if (problem.file === '') return problem.message
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}${problem.frame === '' ? '' : `\n${problem.frame}`}`
}

export function buildFailed(what: string, problems: [Problem, ...Problem[]]): OsirisError {
  const more = problems.length > 1 ? `\n(and ${problems.length - 1} more)` : ''
  return new OsirisError('build_failed', `Cannot build ${what}: ${describe(problems[0])}${more}`, {
    details: { problems: problems.slice(0, PROBLEMS_MAX) },
  })
}

/** The same for a fault of the whole, which has no place. */
export function buildFailedFor(what: string, reason: string): OsirisError {
  return buildFailed(what, [{ file: '', line: 0, column: 0, message: reason, frame: '' }])
}

/** What makes something too large, for a sentence: `a.ts (1.2 MiB), b.ts (40.0 KiB)`. */
export function largestOf(sizes: readonly [name: string, bytes: number][]): string {
  const largest = sizes.toSorted((a, b) => b[1] - a[1]).slice(0, LARGEST_MAX)
  return largest.map(([name, bytes]) => `${name.slice(-LARGEST_NAME_MAX)} (${sizeText(bytes)})`).join(', ')
}

export function sizeText(bytes: number): string {
  return bytes >= MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / KIB).toFixed(1)} KiB`
}
