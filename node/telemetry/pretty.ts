/** One log line for people. Pure. */
import { styleText } from 'node:util'

const STYLES = { debug: 'gray', info: 'blue', warn: 'yellow', error: 'red' } as const
/** Said elsewhere in the line, or of no use to people. */
const HIDDEN = new Set(['level', 'time', 'name', 'msg', 'room', 'stack'])

/** `12:00:00.000 info  node-1 http  text  key=value`. What a function or a peer wrote cannot steer the terminal. */
export function prettyLine(line: Record<string, unknown>): string {
  const level = String(line['level'])
  const time = String(line['time']).slice(11, 23)
  const rest = Object.entries(line).filter(([key]) => !HIDDEN.has(key))
  const details = rest.map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join('')
  const head = `${styleText('gray', time)} ${styleText(STYLES[level as keyof typeof STYLES] ?? 'white', level.padEnd(5))}`
  const stack = typeof line['stack'] === 'string' ? `\n${visible(line['stack'], true)}` : ''
  const room = typeof line['room'] === 'string' ? ` ${line['room']}` : ''
  const where = visible(String(line['name']) + room)
  return `${head} ${styleText('gray', where)} ${visible(String(line['msg']))}${styleText('gray', visible(details))}${stack}\n`
}

/** Control characters, and characters that turn or hide text, as escapes. */
export function visible(text: string, lines = false): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (each) =>
    lines && each === '\n' ? each : `\\u${(each.codePointAt(0) as number).toString(16).padStart(4, '0')}`,
  )
}

/** A line of JSON in which nothing steers or splits what shows it: JSON itself escapes the characters below the space only. Still the same value. */
export function visibleJson(line: string): string {
  return line.replaceAll(/[\u007f-\u009f\p{Cf}\u2028\u2029]/gu, (each) =>
    Array.from({ length: each.length }, (_, unit) => `\\u${each.charCodeAt(unit).toString(16).padStart(4, '0')}`).join(''),
  )
}
