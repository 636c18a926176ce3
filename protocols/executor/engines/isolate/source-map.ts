/**
 * A source map (ECMA-426, version 3) as the builder writes it, read for one purpose: the original place of a position. The map is the user's:
 * whatever is strange about it makes the whole of it unusable, in time and memory bounded by its length. `node:module`'s SourceMap keeps every
 * mapping as an array of its own (100 MB for the longest map taken here) and takes nonsense silently.
 */

/** As long as the builder attaches one. */
export const MAP_BYTES_MAX = 128 * 1024
const SOURCES_MAX = 4096
const SOURCE_LENGTH_MAX = 512
/** Beyond 2^30 a delta is nonsense; five digits of five bits each, and a sixth that is nearly full. */
const VLQ_SHIFT_MAX = 25
const PLACES = 4
const NO_SOURCE = -1

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** The value of each digit by its character code. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)))

/** All from 1, as stacks count. */
export interface Place {
  source: string
  line: number
  column: number
}

export class SourceMap {
  readonly #sources: (string | undefined)[]
  /** Four places per segment: generated column, source, its line, its column; all from 0. */
  readonly #segments: Int32Array
  /** Where each generated line's segments begin, and after the last line where they end. */
  readonly #lines: Int32Array

  private constructor(sources: (string | undefined)[], segments: Int32Array, lines: Int32Array) {
    this.#sources = sources
    this.#segments = segments
    this.#lines = lines
  }

  /** Undefined for anything but a sound map of one file. */
  static read(json: string): SourceMap | undefined {
    if (json.length > MAP_BYTES_MAX) return undefined
    try {
      const map = JSON.parse(json) as { version?: unknown; sources?: unknown; mappings?: unknown } | null
      if (map === null || map.version !== 3 || typeof map.mappings !== 'string' || !Array.isArray(map.sources)) return undefined
      if (map.sources.length > SOURCES_MAX) return undefined
      const sources = map.sources.map(sourceName)
      const { segments, lines } = readMappings(map.mappings, sources.length)
      return new SourceMap(sources, segments, lines)
    } catch {
      return undefined
    }
  }

  /** Where a position of the built file comes from; undefined where nothing of the user's is, or its file has no name that may be shown. */
  place(line: number, column: number): Place | undefined {
    const from = this.#lines[line - 1]
    const to = this.#lines[line]
    if (from === undefined || to === undefined) return undefined
    const at = this.#lastUpTo(column - 1, from, to)
    if (at < from) return undefined
    const [, source = NO_SOURCE, sourceLine = 0, sourceColumn = 0] = this.#segments.subarray(at * PLACES, (at + 1) * PLACES)
    const name = source === NO_SOURCE ? undefined : this.#sources[source]
    return name === undefined ? undefined : { source: name, line: sourceLine + 1, column: sourceColumn + 1 }
  }

  /** The last segment of `from..to` whose generated column is not beyond `column`; `from - 1` when there is none. */
  #lastUpTo(column: number, from: number, to: number): number {
    let low = from
    let high = to
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#segments[middle * PLACES] as number) <= column) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/**
 * A path inside the project; sources are relative URLs, so it is percent-encoded. Anything else (absolute, climbing out, with a scheme or
 * strange characters) has no name.
 */
function sourceName(source: unknown): string | undefined {
  if (typeof source !== 'string' || source.length > SOURCE_LENGTH_MAX) return undefined
  const path = decodeURIComponent(source)
  if (/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\\:]/u.test(path)) return undefined
  return path.split('/').some((part) => part === '' || part === '.' || part === '..') ? undefined : path
}

/** Throws at the first thing that is not as ECMA-426 has it. */
function readMappings(mappings: string, sources: number): { segments: Int32Array; lines: Int32Array } {
  const lines = [0]
  const segments: number[] = []
  const reader = new Fields(mappings)
  let [column, source, line, sourceColumn] = [0, 0, 0, 0]
  while (!reader.atEnd) {
    const separator = reader.separator()
    if (separator === ';') {
      lines.push(segments.length / PLACES)
      column = 0
    }
    if (separator !== undefined) continue
    const fields = reader.segment()
    column += fields[0] as number
    if (column < 0 || column < previousColumn(segments, lines)) throw new Error('columns out of order')
    if (fields.length === 1) {
      segments.push(column, NO_SOURCE, 0, 0)
      continue
    }
    source += fields[1] as number
    line += fields[2] as number
    sourceColumn += fields[3] as number
    if (source < 0 || source >= sources || line < 0 || sourceColumn < 0) throw new Error('a place out of range')
    segments.push(column, source, line, sourceColumn)
  }
  lines.push(segments.length / PLACES)
  return { segments: Int32Array.from(segments), lines: Int32Array.from(lines) }
}

/** Of the segment before, on the same line. */
function previousColumn(segments: number[], lines: number[]): number {
  return segments.length > (lines.at(-1) as number) * PLACES ? (segments[segments.length - PLACES] as number) : 0
}

/** The text of the mappings, field by field. */
class Fields {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length
  }

  /** Takes `,` or `;` if that is next. */
  separator(): string | undefined {
    const next = this.#text[this.#at]
    if (next !== ',' && next !== ';') return undefined
    this.#at++
    return next
  }

  /** One, four or five numbers, up to the next separator. */
  segment(): number[] {
    const fields: number[] = []
    while (!this.atEnd && this.#text[this.#at] !== ',' && this.#text[this.#at] !== ';') {
      if (fields.length === 5) throw new Error('a segment of more than five fields')
      fields.push(this.#number())
    }
    if (fields.length !== 1 && fields.length !== 4 && fields.length !== 5) throw new Error(`a segment of ${fields.length} fields`)
    return fields
  }

  #number(): number {
    let value = 0
    for (let shift = 0; ; shift += 5) {
      const digit = DIGITS[this.#text.charCodeAt(this.#at++)] ?? -1
      if (digit < 0 || shift > VLQ_SHIFT_MAX) throw new Error('not a number')
      value |= (digit & 31) << shift
      if ((digit & 32) === 0) return (value & 1) === 1 ? -(value >>> 1) : value >>> 1
    }
  }
}
