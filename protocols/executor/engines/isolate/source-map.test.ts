import { SourceMap as NodeSourceMap } from 'node:module'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { MAP_BYTES_MAX, SourceMap } from './source-map.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const json = (mappings: unknown, sources: unknown = ['a.ts'], version: unknown = 3) =>
  JSON.stringify({ version, sources, names: [], mappings })

function vlq(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1
  let text = ''
  do {
    const digit = rest & 31
    rest >>>= 5
    text += ALPHABET[rest > 0 ? digit | 32 : digit]
  } while (rest > 0)
  return text
}

interface Segment {
  gap: number
  source: number
  line: number
  column: number
}

function mappingsOf(lines: Segment[][]): string {
  const last = { source: 0, line: 0, column: 0 }
  const segment = (each: Segment, index: number) => {
    const text = vlq(index === 0 ? each.gap - 1 : each.gap) + vlq(each.source - last.source) + vlq(each.line - last.line)
    const column = vlq(each.column - last.column)
    Object.assign(last, each)
    return text + column
  }
  return lines.map((segments) => segments.map(segment).join(',')).join(';')
}

it('says the same as the one of Node, for every position of a sound map', () => {
  const segment = fc.record({ gap: fc.integer({ min: 1, max: 40 }), source: fc.nat(2), line: fc.nat(5000), column: fc.nat(5000) })
  const place = fc.tuple(fc.nat(12), fc.nat(300))
  fc.assert(
    fc.property(fc.array(fc.array(segment, { maxLength: 8 }), { maxLength: 10 }), fc.array(place), (lines, places) => {
      const sources = ['a.ts', 'b/c.ts', 'node_modules/d/e.js']
      const payload = { version: 3, file: '', sources, sourcesContent: [], names: [], mappings: mappingsOf(lines), sourceRoot: '' }
      const ours = SourceMap.read(JSON.stringify(payload))
      const theirs = new NodeSourceMap(payload)
      for (const [line, column] of places) {
        const entry = theirs.findEntry(line, column)
        const found = 'originalSource' in entry && entry.generatedLine === line ? entry : undefined
        const expected = found && { source: found.originalSource, line: found.originalLine + 1, column: found.originalColumn + 1 }
        expect(ours?.place(line + 1, column + 1)).toEqual(expected)
      }
    }),
  )
})

it('reads nothing from garbage, and never throws', () => {
  const characters = fc.string({ unit: fc.constantFrom(...`${ALPHABET},;!é=`.split('')), maxLength: 200 })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        characters.map((each) => json(each)),
      ),
      fc.integer(),
      fc.integer(),
      (text, line, column) => {
        const place = SourceMap.read(text)?.place(line, column)
        expect([undefined, 'a.ts']).toContain(place?.source)
        expect(Math.min(place?.line ?? 1, place?.column ?? 1)).toBeGreaterThan(0)
      },
    ),
  )
})

it.each([
  ['another version', json('AAAA', ['a.ts'], 2)],
  ['no mappings', json(undefined)],
  ['sources that are none', json('AAAA', 'a.ts')],
  ['sections', JSON.stringify({ version: 3, sections: [] })],
  ['a source that is not there', json('ACAA')],
  ['a line before the first', json('AADA')],
  ['columns out of order', json('KAAA,DAAA')],
  ['a number without an end', json('AAAg')],
  ['a number of eight digits', json('ggggggggA')],
  ['a segment of two fields', json('AA')],
  ['a segment of six fields', json('AAAAAA')],
  ['null', 'null'],
  ['a map beyond the limit', json(';'.repeat(MAP_BYTES_MAX))],
])('%s makes the map unusable', (_, text) => {
  expect(SourceMap.read(text)).toBeUndefined()
})

it.each([
  '/etc/passwd',
  '../up.ts',
  'a/../../up.ts',
  'a/%2e%2e/b.ts',
  'file:///a.ts',
  'https://a.example/b.ts',
  'a\\b.ts',
  'a\u001b[2J.ts',
  'a\nb.ts',
  'a%0ab.ts',
  '\u202ea.ts',
  '',
  '%',
  7,
  null,
])('a source named %j is never shown', (source) => {
  expect(SourceMap.read(json('AAAA', [source]))?.place(1, 1)).toBeUndefined()
})

it('names are read as the relative URLs they are', () => {
  expect(SourceMap.read(json('AAAA', ['src/my%20gr%C3%A9et(1)%25.ts']))?.place(1, 3)).toEqual({
    source: 'src/my gréet(1)%.ts',
    line: 1,
    column: 1,
  })
})
