/** console and log: lines to the host, bounded per call before they leave the isolate. */
import { LOG_LINE_MAX, LOG_LINES_MAX } from '../../../bounds.ts'
import { isArray, max, mapDelete, mapGet, mapSet, SafeMap, slice, stringify } from './primordials.ts'
import { OUT } from './codes.ts'
import { limits, met } from './limits.ts'
import { say } from './outbox.ts'
import { onCallEnd, owner } from './state.ts'
import { reduce } from './errors.ts'
import { utf8Length } from './text.ts'

const PARTS_MAX = 32

/** Lines, and bytes that are left, of each call. */
const kept = new SafeMap<number, number>()
const room = new SafeMap<number, number>()
const dropped = new SafeMap<number, number>()

/** Levels by place: debug, info, warn, error. */
export function write(level: number, parts: unknown[]): void {
  const id = owner()
  const lines = (mapGet(kept, id) as number | undefined) ?? 0
  const left = (mapGet(room, id) as number | undefined) ?? limits.logBytesMax
  if (lines >= LOG_LINES_MAX || left <= 0) {
    met(id, 'logs')
    mapSet(dropped, id, ((mapGet(dropped, id) as number | undefined) ?? 0) + 1)
    return
  }
  mapSet(kept, id, lines + 1)
  let text = ''
  for (let index = 0; index < parts.length && index < PARTS_MAX && text.length < LOG_LINE_MAX; index++)
    text += (index === 0 ? '' : ' ') + slice(show(parts[index]), 0, LOG_LINE_MAX)
  const line = cut(slice(text, 0, LOG_LINE_MAX), left)
  // An empty line has a price too.
  mapSet(room, id, left - max(1, utf8Length(line)))
  say(OUT.log, id, level, line)
}

/** At most so many bytes; a line beyond them is cut where all of it is sure to fit. */
function cut(text: string, bytes: number): string {
  return utf8Length(text) <= bytes ? text : slice(text, 0, bytes / 3)
}

export function uncaught(where: string, error: unknown): void {
  const reduced = reduce(error)
  write(3, [`Uncaught in ${where}: ${reduced.stack ?? reduced.message}`])
}

onCallEnd((id, nobodyLeft) => {
  forget(id)
  if (nobodyLeft) forget(0)
})

function forget(id: number): void {
  const lost = mapGet(dropped, id) as number | undefined
  if (lost !== undefined) say(OUT.dropped, id, lost)
  mapDelete(dropped, id)
  mapDelete(kept, id)
  mapDelete(room, id)
}

function show(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'function') return '[Function]'
  if (typeof value === 'symbol') return '[Symbol]'
  if (typeof value !== 'object' || value === null) return `${value as number}`
  try {
    if (value instanceof Error) return reduce(value).stack ?? reduce(value).message
    return stringify(value) ?? '[Object]'
  } catch {
    return isArray(value) ? '[Array]' : '[Object]'
  }
}

export function installConsole(global: Record<string, unknown>): void {
  const at =
    (level: number) =>
    (...parts: unknown[]) =>
      write(level, parts)
  const nothing = () => {}
  global['console'] = {
    debug: at(0),
    trace: at(0),
    log: at(1),
    info: at(1),
    dir: at(1),
    table: at(1),
    warn: at(2),
    error: at(3),
    assert: (condition: unknown, ...parts: unknown[]) => {
      if (!condition) write(3, ['Assertion failed', ...parts])
    },
    group: at(1),
    groupCollapsed: at(1),
    groupEnd: nothing,
    time: nothing,
    timeEnd: nothing,
    timeLog: nothing,
    count: nothing,
    countReset: nothing,
    clear: nothing,
  }
}
