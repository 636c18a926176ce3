/** Errors as they leave the isolate: a short plain text made in the timed section, so that no getter, Proxy or `prepareStackTrace` is met outside it. */
import { isArray, min, slice, split, startsWith, stringify } from './primordials.ts'

const TEXT_MAX = 4096
const STACK_FRAMES_MAX = 32
/** Of a message above its stack. */
const HEAD_MAX = 1024
/** Causes of causes, and errors gathered in one, that are told. */
const CAUSES_MAX = 4
const GATHERED_MAX = 8

export interface Reduced {
  code: string
  message: string
  stack?: string
  /** The limit it met, by its name in LIMITS. */
  limit?: string | undefined
}

/** A failure text: `!` and the JSON of the error. No JSON value begins with `!`. `limit`: the one it met, by its name in LIMITS. */
export function failureText(code: string, message: string, limit?: string): string {
  return `!${stringify({ __proto__: null, code, message: slice(message, 0, TEXT_MAX), limit })}`
}

export function thrownText(thrown: unknown): string {
  return `!${stringify(reduce(thrown))}`
}

/** Never throws: a Proxy may throw at anything that is done with it. */
export function reduce(thrown: unknown): Reduced {
  try {
    return reduced(thrown)
  } catch {
    return plain('An error was thrown that cannot be told')
  }
}

function reduced(thrown: unknown): Reduced {
  if (!isObject(thrown)) return plain(`${describe(thrown)} was thrown`)
  const message = textOf(thrown, 'message')
  const code = textOf(thrown, 'name') === 'OsirisError' ? textOf(thrown, 'code') : undefined
  const head = headOf(thrown)
  // The platform's own sentence stands as it is.
  const told = plain(code !== undefined && message !== undefined ? message : head)
  if (code !== undefined) {
    told.code = slice(code, 0, 64)
    const details = read(thrown, 'details')
    if (isObject(details)) told.limit = textOf(details, 'limit')
  }
  const stack = stackOf(thrown, head)
  if (stack !== '') told.stack = slice(stack, 0, TEXT_MAX)
  return told
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function headOf(thrown: object): string {
  const name = textOf(thrown, 'name')
  const message = textOf(thrown, 'message')
  if (name === undefined && message === undefined) return 'An object without a message was thrown'
  return join(name ?? 'Error', message ?? '')
}

const NativeError = Error
const defineProperty = Object.defineProperty

/** An error with one of the platform's codes, as functions catch it; uncaught, it ends the call with that code. */
export function osirisError({ code, message, limit }: { code: string; message: string; limit?: string }): Error {
  const error = new NativeError(message)
  defineProperty(error, 'name', { value: 'OsirisError', enumerable: false, configurable: true, writable: true })
  defineProperty(error, 'code', { value: code, enumerable: true, configurable: true, writable: true })
  if (limit !== undefined) defineProperty(error, 'details', { value: { limit }, enumerable: true, configurable: true, writable: true })
  return error
}

function plain(message: string): Reduced {
  return { __proto__: null, code: 'function_failed', message: slice(message, 0, TEXT_MAX) } as unknown as Reduced
}

function join(name: string, message: string): string {
  return message === '' ? name : `${name}: ${message}`
}

function describe(value: unknown): string {
  if (typeof value === 'string') return stringify(slice(value, 0, 1024))
  return typeof value === 'bigint' || typeof value === 'symbol' ? `A ${typeof value}` : `${value as number}`
}

function textOf(thrown: object, key: string): string | undefined {
  const value = read(thrown, key)
  return typeof value === 'string' ? value : undefined
}

function read(thrown: object, key: string): unknown {
  try {
    return (thrown as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

/** Its head, its frames, then what caused it and what it gathers, each the same way. Empty for what has no stack. */
function stackOf(thrown: object, head: string, depth = 0): string {
  const stack = textOf(thrown, 'stack')
  if (stack === undefined) return depth === 0 ? '' : slice(head, 0, HEAD_MAX)
  // V8 begins a stack with the head as it was when the error was made; a long one must not push the frames out.
  const frames = startsWith(stack, head) ? `${slice(head, 0, HEAD_MAX)}${slice(stack, head.length)}` : stack
  const text = cleanStack(frames)
  if (depth >= CAUSES_MAX) return text
  return `${text}${causeOf(thrown, depth)}${gatheredIn(thrown)}`
}

function causeOf(thrown: object, depth: number): string {
  const cause = read(thrown, 'cause')
  return cause === undefined ? '' : `\nCaused by: ${toldBelow(cause, depth)}`
}

/** The errors of an AggregateError, without what caused each: that would multiply. */
function gatheredIn(thrown: object): string {
  let text = ''
  try {
    const errors = read(thrown, 'errors')
    if (!isArray(errors)) return ''
    const shown = min(errors.length, GATHERED_MAX)
    for (let index = 0; index < shown && text.length < TEXT_MAX; index++)
      text += `\nError ${index + 1} of ${errors.length}: ${toldBelow(errors[index], CAUSES_MAX)}`
  } catch {
    // A Proxy: what it gave so far is told.
  }
  return text
}

function toldBelow(thrown: unknown, depth: number): string {
  return isObject(thrown) ? stackOf(thrown, headOf(thrown), depth + 1) : describe(thrown)
}

/** Leaves out the runtime's own frames: user code carries its function's name as file name, the runtime `osiris:`. */
function cleanStack(stack: string): string {
  const lines = split(slice(stack, 0, TEXT_MAX * 4), '\n')
  let text = ''
  let frames = 0
  for (let index = 0; index < lines.length && frames < STACK_FRAMES_MAX; index++) {
    const line = lines[index] as string
    if (isFrame(line)) {
      if (hasOurs(line)) continue
      frames++
    }
    text += index === 0 ? line : `\n${line}`
  }
  return text
}

function isFrame(line: string): boolean {
  return slice(line, 0, 7) === '    at '
}

function hasOurs(line: string): boolean {
  return split(line, 'osiris:runtime').length > 1 || split(line, '<isolated-vm').length > 1
}
