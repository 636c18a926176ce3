/** Structured logs to stderr. The one address of pino. */
import { pino } from 'pino'
import type { Events, LogLevel } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import { LineBudget } from './line-budget.ts'
import { LineQueue } from './line-queue.ts'
import { prettyLine, visibleJson } from './pretty.ts'
import { Lines } from './stderr-lines.ts'

export interface Logger {
  debug(text: string, data?: Record<string, unknown>): void
  info(text: string, data?: Record<string, unknown>): void
  warn(text: string, data?: Record<string, unknown>): void
  error(text: string, data?: Record<string, unknown>): void
  /** Lines written meanwhile leave together. */
  together(write: () => void): void
}

export interface LoggerInit {
  /** Lines below it are dropped; `silent` drops all. */
  level: LogLevel | 'silent'
  /** The node's name, part of every line. */
  name: string
  /** Lines for people instead of JSON. Default: whether stderr is a terminal. */
  pretty?: boolean
  /** Where lines go. Default: stderr, written at once while it takes them: the last words of a process are not lost, and no slow reader holds it up. */
  write?: (line: string) => void
}

/** Longest text of a function's line that is written; the rest is for `/v1/logs`. */
const FUNCTION_TEXT_MAX = 8_192

export function createLogger(init: LoggerInit): Logger {
  const { level, name, pretty = process.stderr.isTTY, write } = init
  const options = {
    level,
    base: { name },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  const { put, together } =
    write === undefined
      ? toStderr((lines) => log.warn({ room: 'telemetry', lines }, `${lines} lines were dropped: nobody read the log`))
      : { put: write, together: atOnce }
  const log = pretty
    ? pino(options, { write: (line: string) => put(prettyLine(JSON.parse(line) as Record<string, unknown>)) })
    : pino(options, { write: (line: string) => put(visibleJson(line)) })
  const line =
    (each: LogLevel) =>
    (text: string, data?: Record<string, unknown>): void =>
      data === undefined ? log[each](text) : log[each](data, text)
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error'), together }
}

interface Sink {
  put: (line: string) => void
  together: (write: () => void) => void
}

const atOnce = (write: () => void): void => write()

/** A terminal keeps its order with whatever else is written to it. */
function toStderr(onDropped: (lines: number) => void): Sink {
  if (process.stderr.isTTY) return { put: (line) => void process.stderr.write(line), together: atOnce }
  const lines = new Lines({ onDropped })
  return { put: (line) => lines.write(line), together: (write) => lines.together(write) }
}

/** Writes what rooms and functions tell; of functions as many lines as their namespace may have. Returns the way to stop. */
export function logEvents(events: Events, logger: Logger, clock: Clock): () => void {
  const budget = new LineBudget(clock, (namespace, lines) => {
    logger.warn(`${lines} lines of functions in "${namespace}" were dropped: they write too many`, { room: 'function', namespace, lines })
    events.emit('log.dropped', { namespace, lines })
  })
  const queue = new LineQueue(logger)
  const stops = [
    () => budget.stop(),
    () => queue.writeAll(),
    events.on('log', ({ level, room, text, data }) => logger[level](text, { room, ...data })),
    events.on('function.log', ({ level, namespace, name, version, id, text }) => {
      const shown = text.slice(0, FUNCTION_TEXT_MAX)
      if (!budget.take(namespace, shown.length)) return
      const data = { room: 'function', function: `${namespace}/${name}`, version: version.slice(0, 16), call: id }
      const isKept = queue.add(namespace, { level, text: shown, data })
      if (!isKept) budget.drop(namespace)
    }),
    events.on('call.finished', ({ path, id, namespace, name, code, wallMs }) => {
      if (path === undefined) return
      const data = { room: 'executor', function: `${namespace}/${name}`, call: id, path: path.join(' → '), code, ms: wallMs }
      logger.debug(`"${path.at(-1)}" called "${namespace}/${name}": ${code ?? 'answered'}`, data)
    }),
    events.on('function.egress', ({ namespace, name, version, id, ...request }) =>
      logger.debug(`Fetched from ${request.host}: ${request.code ?? request.status}`, {
        room: 'egress',
        function: `${namespace}/${name}`,
        version: version.slice(0, 16),
        call: id,
        ...request,
      }),
    ),
    events.on('schedule.ended', ({ namespace, name, tickAt, code, message }) => {
      const data = { room: 'router', function: `${namespace}/${name}`, tick: new Date(tickAt).toISOString(), code }
      if (code === null) logger.debug(`The schedule of "${namespace}/${name}" ran it`, data)
      else logger.warn(`The schedule of "${namespace}/${name}" failed: ${message}`, data)
    }),
    events.on('member.joined', ({ name, peer }) => logger.info(`Member "${name}" joined`, { room: 'network', peer })),
    events.on('member.left', ({ name, peer, reason }) => logger.info(`Member "${name}" left (${reason})`, { room: 'network', peer })),
    events.on('worker.ended', ({ namespace, pid, reason }) =>
      logger.debug(`Worker ${pid} of "${namespace}" ended: ${reason}`, { room: 'executor' }),
    ),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
