/**
 * Stacks of one instance in the places of its sources. Only lines of the exact form V8 writes, with the name of the instance's own file, are
 * changed: whatever else a text holds (a message, a made-up frame, control characters) is the user's and stays what it was.
 */
import type { WireError } from '../../frames.ts'
import type { EngineReports } from '../engine.ts'
import { MAP_BYTES_MAX, SourceMap } from './source-map.ts'

const MAP_COMMENT = '//# sourceMappingURL=data:application/json;base64,'
const BASE64_MAX = Math.ceil(MAP_BYTES_MAX / 3) * 4
/** Bytes of a stack, and of a line that holds one. */
const TEXT_BYTES_MAX = 4096
/** The bundler's own helpers: no source has them. */
const HELPER = /^(?:async )?__[A-Za-z]+\d*$/

export class Stacks {
  #encoded: string | undefined
  #map: SourceMap | undefined
  #frame: RegExp | undefined

  /** Keeps the artifact's map for the first error; returns the code without it. */
  take(name: string, artifact: string): string {
    const at = mapStart(artifact)
    if (at < 0) return artifact
    // A copy: a slice would keep the whole artifact alive.
    this.#encoded = Buffer.from(artifact.slice(at + MAP_COMMENT.length).trimEnd(), 'base64').toString('latin1')
    this.#frame = frameOf(name)
    return artifact.slice(0, at)
  }

  /** The error with its stack in the places of the sources. */
  error(error: WireError): WireError {
    return error.stack === undefined || !this.#isPresent() ? error : { ...error, stack: this.#mapped(error.stack) }
  }

  /** The same for an error's JSON. */
  json(text: string): string {
    return this.#isPresent() ? JSON.stringify(this.error(JSON.parse(text) as WireError)) : text
  }

  /** A log line that may hold a stack. */
  line(text: string): string {
    return text.includes('\n    at ') && this.#isPresent() ? this.#mapped(text) : text
  }

  /** Reads the map if that has not been tried. */
  #isPresent(): boolean {
    if (this.#encoded !== undefined) {
      this.#map = SourceMap.read(Buffer.from(this.#encoded, 'latin1').toString('utf8'))
      this.#encoded = undefined
    }
    return this.#map !== undefined
  }

  #mapped(text: string): string {
    const lines: string[] = []
    for (const line of text.split('\n')) {
      const mapped = this.#mappedLine(line)
      if (mapped !== undefined) lines.push(mapped)
    }
    return clip(lines)
  }

  /** Undefined for a line that is left out. */
  #mappedLine(line: string): string | undefined {
    const found = this.#frame?.exec(line)?.groups
    if (found === undefined || found === null) return line
    const place = this.#map?.place(Number(found['line']), Number(found['column']))
    const called = found['called']
    if (place === undefined) return called !== undefined && HELPER.test(called) ? undefined : line
    const position = `${place.source}:${place.line}:${place.column}`
    return called === undefined ? `    at ${found['async'] ?? ''}${position}` : `    at ${called} (${position})`
  }
}

/** What an instance reports, with every stack in the places of its sources. */
export function reportsWith(stacks: Stacks, reports: EngineReports): EngineReports {
  return {
    ...reports,
    failed: (callId, runMs, cpuMs, error, spoiled) => reports.failed(callId, runMs, cpuMs, stacks.json(error), spoiled),
    broken: (callId, error) => reports.broken(callId, stacks.json(error)),
    log: (instanceId, callId, level, text) => reports.log(instanceId, callId, level, stacks.line(text)),
  }
}

/** The code of an artifact. */
export function withoutMap(artifact: string): string {
  const at = mapStart(artifact)
  return at < 0 ? artifact : artifact.slice(0, at)
}

/** Where the artifact's last line begins, if that is a map of a length the builder attaches; -1 otherwise. */
function mapStart(artifact: string): number {
  const at = artifact.lastIndexOf(`\n${MAP_COMMENT}`) + 1
  const length = artifact.length - at - MAP_COMMENT.length
  if (at === 0 || length > BASE64_MAX + 1) return -1
  const end = artifact.indexOf('\n', at)
  return end < 0 || end === artifact.length - 1 ? at : -1
}

/** `    at NAME (FILE:1:2)`, `    at FILE:1:2`, `    at async FILE:1:2`. */
function frameOf(name: string): RegExp {
  const file = `${name}.js`.replaceAll(/[^\w-]/g, String.raw`\$&`)
  const position = String.raw`${file}:(?<line>\d{1,7}):(?<column>\d{1,7})`
  const bare = String.raw`(?<async>async )?${position}`
  return new RegExp(String.raw`^ {4}at (?:(?<called>[^()]{1,512}(?: \[as [^()]{1,128}\])?) \(${position}\)|${bare})$`, 'u')
}

/** Whole lines of at most 4 KiB together; a first line that is longer is cut. */
function clip(lines: string[]): string {
  let text = Buffer.from(lines[0] ?? '')
    .subarray(0, TEXT_BYTES_MAX)
    .toString('utf8')
    .replace(/\ufffd$/, '')
  let bytes = Buffer.byteLength(text)
  for (const line of lines.slice(1)) {
    bytes += 1 + Buffer.byteLength(line)
    if (bytes > TEXT_BYTES_MAX) break
    text += `\n${line}`
  }
  return text
}
