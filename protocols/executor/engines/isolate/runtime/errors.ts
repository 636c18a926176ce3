/** Errors as they leave the isolate: a short plain text made in the timed section, so that no getter, Proxy or `prepareStackTrace` is met outside it. */
import { slice, split, stringify } from './primordials.ts'

const TEXT_MAX = 4096
const STACK_FRAMES_MAX = 32

export interface Reduced {
  code: string
  message: string
  stack?: string
}

/** A failure text: `!` and the JSON of the error. No JSON value begins with `!`. */
export function failureText(code: string, message: string): string {
  return `!${stringify({ __proto__: null, code, message: slice(message, 0, TEXT_MAX) })}`
}

export function thrownText(thrown: unknown): string {
  return `!${stringify(reduce(thrown))}`
}

export function reduce(thrown: unknown): Reduced {
  const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function'
  if (!isObject) return plain(`${describe(thrown)} was thrown`)
  const name = textOf(thrown, 'name')
  const message = textOf(thrown, 'message')
  const code = name === 'OsirisError' ? textOf(thrown, 'code') : undefined
  const text =
    name === undefined && message === undefined
      ? 'An object without a message was thrown'
      : // The platform's own sentence stands as it is.
        code !== undefined && message !== undefined
        ? message
        : join(name ?? 'Error', message ?? '')
  const reduced = plain(text)
  if (code !== undefined) reduced.code = slice(code, 0, 64)
  const stack = textOf(thrown, 'stack')
  if (stack !== undefined) reduced.stack = slice(cleanStack(stack), 0, TEXT_MAX)
  return reduced
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

function textOf(thrown: unknown, key: string): string | undefined {
  try {
    const value = (thrown as Record<string, unknown>)[key]
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
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
