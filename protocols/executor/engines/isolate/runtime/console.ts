/** console and log: lines to the host, bounded per call before they leave the isolate. */
import { LOG_LINE_MAX, LOG_LINES_MAX } from '../../../bounds.ts'
import type * as formatting from './format.ts'
import { lazy } from './lazy.ts'
import { mapDelete, mapGet, mapSet, max, min, now, SafeMap, slice, split } from './primordials.ts'
import { OUT } from './codes.ts'
import { limits, met } from './limits.ts'
import { say } from './outbox.ts'
import { onCallEnd, owner } from './state.ts'
import { reduce } from './errors.ts'
import { stringOf, utf8Length } from './text.ts'

const format = lazy(() => require('./format.ts') as typeof formatting)

const PARTS_MAX = 32

/** Deeper groups are indented no further. */
const DEPTH_MAX = 32

/** Lines, and bytes that are left, of each call. */
const kept = new SafeMap<number, number>()
const room = new SafeMap<number, number>()
const dropped = new SafeMap<number, number>()
/** What groups, counts and clocks leave behind; nothing where none was used. */
interface State {
  depth: number
  counters: Map<string, number>
  clocks: Map<string, number>
}
let state: State | undefined

function stateOf(): State {
  return (state ??= { depth: 0, counters: new SafeMap(), clocks: new SafeMap() })
}

/** Levels by place: debug, info, warn, error. */
export function write(level: number, parts: unknown[]): void {
  const id = owner()
  const lines = (mapGet(kept, id) as number | undefined) ?? 0
  if (lines >= LOG_LINES_MAX || roomOf(id) <= 0) {
    met(id, 'logs')
    mapSet(dropped, id, ((mapGet(dropped, id) as number | undefined) ?? 0) + 1)
    return
  }
  mapSet(kept, id, lines + 1)
  const text = textOf(parts)
  const whole = slice(state === undefined ? text : indented(text, state.depth), 0, LOG_LINE_MAX)
  // Read again: what was formatted may have logged meanwhile.
  const spare = roomOf(id)
  const line = cut(whole, spare)
  // An empty line has a price too.
  mapSet(room, id, spare - max(1, utf8Length(line)))
  say(OUT.log, id, level, line)
}

function roomOf(id: number): number {
  return (mapGet(room, id) as number | undefined) ?? limits.logBytesMax
}

/** At most so many bytes; a line beyond them is cut where all of it is sure to fit. */
function cut(text: string, bytes: number): string {
  return utf8Length(text) <= bytes ? text : slice(text, 0, max(0, bytes) / 3)
}

export function uncaught(where: string, error: unknown): void {
  const reduced = reduce(error)
  write(3, [`Uncaught in ${where}: ${reduced.stack ?? reduced.message}`])
}

onCallEnd((id, nobodyLeft) => {
  forget(id)
  if (!nobodyLeft) return
  forget(0)
  state = undefined
})

function indented(text: string, depth: number): string {
  let blanks = ''
  for (let each = 0; each < depth; each++) blanks += '  '
  const lines = split(slice(text, 0, LOG_LINE_MAX), '\n')
  let all = ''
  for (let index = 0; index < lines.length; index++) all += (index === 0 ? blanks : `\n${blanks}`) + (lines[index] as string)
  return all
}

function forget(id: number): void {
  const lost = mapGet(dropped, id) as number | undefined
  if (lost !== undefined) say(OUT.dropped, id, lost)
  mapDelete(dropped, id)
  mapDelete(kept, id)
  mapDelete(room, id)
}

/** One string needs no formatting; anything else loads what knows how. */
function textOf(parts: unknown[]): string {
  if (parts.length === 1 && typeof parts[0] === 'string') return parts[0]
  return format().formatted(slicedParts(parts), LOG_LINE_MAX)
}

function slicedParts(parts: unknown[]): unknown[] {
  const few: unknown[] = []
  for (let index = 0; index < parts.length && index < PARTS_MAX; index++) few[index] = parts[index]
  return few
}

export function installConsole(global: Record<string, unknown>): void {
  const at =
    (level: number) =>
    (...parts: unknown[]) =>
      write(level, parts)
  global['console'] = {
    debug: at(0),
    log: at(1),
    info: at(1),
    warn: at(2),
    error: at(3),
    dirxml: at(1),
    dir: (value: unknown) => write(1, [value]),
    table: (data: unknown, columns?: unknown) => write(1, [format().tableOf(data, columns) ?? data]),
    trace: (...parts: unknown[]) => write(0, [`Trace: ${textOf(parts)}`, stackHere()]),
    assert: (condition: unknown, ...parts: unknown[]) => {
      if (!condition)
        write(3, typeof parts[0] === 'string' ? [`Assertion failed: ${parts[0]}`, ...parts.slice(1)] : ['Assertion failed', ...parts])
    },
    clear: () => {
      if (state !== undefined) state.depth = 0
    },
    ...groups(at(1)),
    ...counts(),
    ...times(),
  }
}

function groups(log: (...parts: unknown[]) => void): object {
  const group = (...parts: unknown[]) => {
    if (parts.length > 0) log(...parts)
    stateOf().depth = min(stateOf().depth + 1, DEPTH_MAX)
  }
  const groupEnd = () => {
    stateOf().depth = max(stateOf().depth - 1, 0)
  }
  return { group, groupCollapsed: group, groupEnd }
}

function counts(): object {
  const count = (label: unknown = 'default') => {
    const name = stringOf(label)
    const times = ((mapGet(stateOf().counters, name) as number | undefined) ?? 0) + 1
    mapSet(stateOf().counters, name, times)
    write(1, [`${name}: ${times}`])
  }
  const countReset = (label: unknown = 'default') => {
    if (!mapDelete(stateOf().counters, stringOf(label))) write(2, [`Count for "${stringOf(label)}" does not exist`])
  }
  return { count, countReset }
}

/** In whole milliseconds, as all clocks here. */
function times(): object {
  const time = (label: unknown = 'default') => {
    const name = stringOf(label)
    if (mapGet(stateOf().clocks, name) === undefined) mapSet(stateOf().clocks, name, now())
    else write(2, [`Timer "${name}" already exists`])
  }
  const timeLog = (label: unknown = 'default', ...parts: unknown[]) => {
    const name = stringOf(label)
    const from = mapGet(stateOf().clocks, name) as number | undefined
    if (from === undefined) write(2, [`Timer "${name}" does not exist`])
    else write(1, [`${name}: ${max(0, now() - from)} ms`, ...parts])
    return from !== undefined
  }
  const timeEnd = (label: unknown = 'default') => {
    if (timeLog(label)) mapDelete(stateOf().clocks, stringOf(label))
  }
  return { time, timeLog: (label?: unknown, ...parts: unknown[]) => void timeLog(label, ...parts), timeEnd }
}

function stackHere(): string {
  const stack = reduce(new Error('.')).stack ?? ''
  return slice(stack, stack.indexOf('\n'))
}
