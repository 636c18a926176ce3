/** What console makes of what it is given (Console Standard, formatter and printer): lines of text, as long as a log line may be and no longer. */
import { reduce } from './errors.ts'

const ITEMS_MAX = 100
const DEPTH_MAX = 4
const ROWS_MAX = 100
const COLUMNS_MAX = 16
const CELL_MAX = 40

/** Takes the format specifiers of the first part, when that is a string; the rest is appended. */
export function formatted(parts: unknown[], lengthMax: number): string {
  const [first, ...rest] = parts
  if (typeof first !== 'string' || rest.length === 0 || !first.includes('%')) return joined(parts, lengthMax)
  let text = ''
  let from = 0
  for (let at = first.indexOf('%'); at >= 0 && text.length < lengthMax; at = first.indexOf('%', from)) {
    const kind = first[at + 1] ?? ''
    const known = kind === '%' || ('sdifoOjc'.includes(kind) && kind !== '' && rest.length > 0)
    text += first.slice(from, at) + (known ? (kind === '%' ? '%' : specified(kind, rest.shift())) : `%${kind}`)
    from = at + 1 + kind.length
  }
  return joined([text + first.slice(from), ...rest], lengthMax)
}

function specified(kind: string, value: unknown): string {
  if (kind === 'c') return ''
  if (kind === 'd' || kind === 'i')
    return typeof value === 'symbol' ? 'NaN' : `${typeof value === 'bigint' ? value : parseInt(shown(value), 10)}`
  if (kind === 'f') return typeof value === 'symbol' ? 'NaN' : `${parseFloat(shown(value))}`
  return shown(value)
}

function joined(parts: unknown[], lengthMax: number): string {
  let text = ''
  for (let index = 0; index < parts.length && text.length < lengthMax; index++) text += (index === 0 ? '' : ' ') + shown(parts[index])
  return text
}

/** Strings as they are, data as JSON, and what JSON does not tell by its kind and what it holds. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value
  try {
    return jsonOf(value) ?? inspect(value, 0, [])
  } catch {
    return '[Object]'
  }
}

function jsonOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || isOddity(value)) return undefined
  try {
    return JSON.stringify(value, (_key, each: unknown) => {
      if (isOddity(each)) throw new TypeError('not JSON')
      return each
    })
  } catch {
    return undefined
  }
}

function isOddity(value: unknown): boolean {
  if (typeof value !== 'object' || value === null)
    return typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol'
  return value instanceof Error || value instanceof Map || value instanceof Set || ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

function inspect(value: unknown, depth: number, above: unknown[]): string {
  if (typeof value === 'string') return depth === 0 ? value : JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return value.description === undefined ? 'Symbol()' : `Symbol(${value.description})`
  if (typeof value === 'function') return value.name === '' ? '[Function]' : `[Function ${value.name}]`
  if (typeof value !== 'object' || value === null) return `${value as number}`
  if (value instanceof Error) return reduce(value).stack ?? reduce(value).message
  if (above.includes(value)) return '[Circular]'
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? '[Array]' : '[Object]'
  return inspectInside(value, (each) => inspect(each, depth + 1, [...above, value]))
}

function inspectInside(value: object, inside: (each: unknown) => string): string {
  if (value instanceof Map) return `Map(${value.size}) {${list(value, ([key, each]) => `${inside(key)} => ${inside(each)}`)}}`
  if (value instanceof Set) return `Set(${value.size}) {${list(value, inside)}}`
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength})`
  if (value instanceof DataView) return `DataView(${value.byteLength})`
  if (ArrayBuffer.isView(value)) {
    const array = value as Uint8Array
    return `${array[Symbol.toStringTag]}(${array.length}) [${list(array, inside)}]`
  }
  if (Array.isArray(value)) return `[${list(value, inside)}]`
  return `{${list(Object.keys(value), (key) => `${JSON.stringify(key)}:${inside((value as Record<string, unknown>)[key])}`)}}`
}

function list<T>(items: Iterable<T>, text: (item: T) => string): string {
  const texts: string[] = []
  for (const item of items) {
    if (texts.length === ITEMS_MAX) {
      texts.push('…')
      break
    }
    texts.push(text(item))
  }
  return texts.join(',')
}

/** The rows of console.table; nothing for what is no table. */
export function tableOf(data: unknown, columns: unknown): string | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const rows = Object.entries(data).slice(0, ROWS_MAX) as [string, unknown][]
  const isRow = (row: unknown): row is Record<string, unknown> => typeof row === 'object' && row !== null
  const keys = Array.isArray(columns) ? columns.map(String) : [...new Set(rows.flatMap(([, row]) => (isRow(row) ? Object.keys(row) : [])))]
  const shownKeys = keys.slice(0, COLUMNS_MAX)
  const hasValues = rows.some(([, row]) => !isRow(row))
  const lines = [
    ['(index)', ...shownKeys, ...(hasValues ? ['Values'] : [])],
    ...rows.map(([index, row]) => [
      index,
      ...shownKeys.map((key) => (isRow(row) && Object.hasOwn(row, key) ? shown(row[key]).slice(0, CELL_MAX) : '')),
      ...(hasValues ? [isRow(row) ? '' : shown(row).slice(0, CELL_MAX)] : []),
    ]),
  ]
  const widths = (lines[0] as string[]).map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join(' | ')
        .trimEnd(),
    )
    .join('\n')
}
