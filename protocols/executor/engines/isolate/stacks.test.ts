import { expect, it, vi } from 'vitest'
import { SourceMap } from './source-map.ts'
import { Stacks } from './stacks.ts'

/** Line 1 of the built file is nobody's, line 2 is line 7 of greet.ts, from its column 3 on. */
const MAP = { version: 3, sources: ['greet.ts'], names: [], mappings: ';AAME' }
const artifactOf = (map: unknown, code = 'helper\nexport default 1\n') =>
  `${code}//# sourceMappingURL=data:application/json;base64,${Buffer.from(typeof map === 'string' ? map : JSON.stringify(map)).toString('base64')}\n`

function stacksOf(map: unknown = MAP): Stacks {
  const stacks = new Stacks()
  stacks.take('greet', artifactOf(map))
  return stacks
}
const mapped = (...lines: string[]) =>
  stacksOf()
    .error({ code: 'function_failed', message: '', stack: lines.join('\n') })
    .stack?.split('\n')

it('frames of its own file get the places of their sources, whatever kind of frame they are', () => {
  expect(
    mapped(
      'Error: x',
      '    at f (greet.js:2:5)',
      '    at greet.js:2:5',
      '    at async greet.js:2:5',
      '    at async Object.fetch (greet.js:2:5)',
      '    at new A (greet.js:2:5)',
      '    at A.b [as c] (greet.js:2:5)',
    ),
  ).toEqual([
    'Error: x',
    '    at f (greet.ts:7:3)',
    '    at greet.ts:7:3',
    '    at async greet.ts:7:3',
    '    at async Object.fetch (greet.ts:7:3)',
    '    at new A (greet.ts:7:3)',
    '    at A.b [as c] (greet.ts:7:3)',
  ])
})

it.each([
  'greet.js:2:5',
  'at f (greet.js:2:5)',
  '    at f (other.js:2:5)',
  '    at f (greetxjs:2:5)',
  '    at f (/home/greet.js:2:5)',
  '    at f (greet.js:2:5',
  '    at f (greet.js:2:5) more',
  '    at f (greet.js:2:5)\r',
  '    at f (greet.js:99999999:5)',
  '    at f (greet.js:0:0)',
  '    at f (greet.js:1:1)',
  '    at eval (eval at f (greet.js:2:5), <anonymous>:1:1)',
  '    at Array.map (<anonymous>)',
  `    at ${'f'.repeat(600)} (greet.js:2:5)`,
])('%j stays as it is', (line) => {
  expect(mapped('Error: x', line)).toEqual(['Error: x', line])
})

it('the bundler’s own helpers are left out', () => {
  expect(mapped('Error: x', '    at __require (greet.js:1:1)', '    at f (greet.js:2:1)')).toEqual(['Error: x', '    at f (greet.ts:7:3)'])
})

it('a stack stays within 4 KiB, in whole lines', () => {
  const frames = Array.from({ length: 400 }, () => '    at f (greet.js:2:5)')
  const text = mapped('é'.repeat(100), ...frames)
  expect(text?.at(-1)).toBe('    at f (greet.ts:7:3)')
  expect(Buffer.byteLength(text?.join('\n') ?? '')).toBeLessThanOrEqual(4096)
  expect(Buffer.byteLength(mapped('é'.repeat(4000))?.join('\n') ?? '')).toBeLessThanOrEqual(4096)
})

it('only lines of a log that hold a frame are looked at, and the map is read once, at the first of them', () => {
  const read = vi.spyOn(SourceMap, 'read')
  const stacks = stacksOf()
  expect(stacks.line('greet.js:2:5')).toBe('greet.js:2:5')
  expect(read).not.toHaveBeenCalled()
  for (let times = 0; times < 3; times++) expect(stacks.line('Error: x\n    at f (greet.js:2:5)')).toBe('Error: x\n    at f (greet.ts:7:3)')
  expect(read).toHaveBeenCalledTimes(1)
  read.mockRestore()
})

it.each(['', '{', 'null', { ...MAP, mappings: '!' }, { ...MAP, sources: ['/etc/passwd'] }])(
  'a broken map (%j) leaves stacks as they are',
  (map) => {
    const error = { code: 'function_failed', message: 'x', stack: 'Error: x\n    at f (greet.js:2:5)' }
    expect(stacksOf(map).error(error)).toEqual(error)
    expect(stacksOf(map).json(JSON.stringify(error))).toBe(JSON.stringify(error))
  },
)

it('the code is compiled without its map, and anything else is left in it', () => {
  const take = (artifact: string) => new Stacks().take('greet', artifact)
  expect(take(artifactOf(MAP))).toBe('helper\nexport default 1\n')
  for (const other of [
    'export default 1',
    artifactOf('x'.repeat(200_000)),
    `${artifactOf(MAP)}more()\n`,
    `export default "${artifactOf(MAP, '')}"`,
  ])
    expect(take(other)).toBe(other)
})
