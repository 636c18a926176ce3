/** Structured logs to stderr. The one address of pino. */
import { pino } from 'pino'
import type { Events, LogLevel } from '#protocols/events'
import { prettyLine, visibleJson } from './pretty.ts'

export interface Logger {
  debug(text: string, data?: Record<string, unknown>): void
  info(text: string, data?: Record<string, unknown>): void
  warn(text: string, data?: Record<string, unknown>): void
  error(text: string, data?: Record<string, unknown>): void
}

export interface LoggerInit {
  /** Lines below it are dropped; `silent` drops all. */
  level: LogLevel | 'silent'
  /** The node's name, part of every line. */
  name: string
  /** Lines for people instead of JSON. Default: whether stderr is a terminal. */
  pretty?: boolean
  /** Where lines go. Default: stderr, written at once, so that the last words of a process are not lost. */
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
  const toStderr = write ?? ((line: string): void => void process.stderr.write(line))
  const json = pretty ? toStderr : (write ?? stderrLines())
  const log = pretty
    ? pino(options, { write: (line: string) => toStderr(prettyLine(JSON.parse(line) as Record<string, unknown>)) })
    : pino(options, { write: (line: string) => json(visibleJson(line)) })
  const line =
    (each: LogLevel) =>
    (text: string, data?: Record<string, unknown>): void =>
      data === undefined ? log[each](text) : log[each](data, text)
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

/** Kept for the time when the log can be written again; more is dropped. */
const UNWRITTEN_BYTES_MAX = 65_536

/** A log that cannot be written (its disk is full, its reader is gone) costs lines, never the node. */
function stderrLines(): (line: string) => void {
  const lines = pino.destination({ dest: 2, sync: true, maxLength: UNWRITTEN_BYTES_MAX })
  lines.on('error', () => {})
  return (line) => void lines.write(line)
}

/** Writes what rooms and functions tell. Returns the way to stop. */
export function logEvents(events: Events, logger: Logger): () => void {
  const stops = [
    events.on('log', ({ level, room, text, data }) => logger[level](text, { room, ...data })),
    events.on('function.log', ({ level, namespace, name, version, id, text }) =>
      logger[level](text.slice(0, FUNCTION_TEXT_MAX), {
        room: 'function',
        function: `${namespace}/${name}`,
        version: version.slice(0, 16),
        call: id,
      }),
    ),
    events.on('function.egress', ({ namespace, name, version, id, ...request }) =>
      logger.debug(`Fetched from ${request.host}: ${request.code ?? request.status}`, {
        room: 'egress',
        function: `${namespace}/${name}`,
        version: version.slice(0, 16),
        call: id,
        ...request,
      }),
    ),
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
