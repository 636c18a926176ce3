import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { stackLines } from './stack.ts'

let dir: string
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'osiris-stack-'))))
afterEach(() => rmSync(dir, { recursive: true, force: true }))
const write = (path: string, text = 'one\ntwo\nthree\nfour\n') => {
  mkdirSync(join(dir, path, '..'), { recursive: true })
  writeFileSync(join(dir, path), text)
}
const shown = (...lines: string[]) => stackLines(['Error: x', ...lines].join('\n'), dir)

it('frames and what caused them, without the sentence that was said', () => {
  expect(shown('    at f (a.ts:2:1)', '    at async b.ts:1:1', 'Caused by: Error: y\u001b[2J', '    at g (a.ts:1:1)')).toEqual([
    '    at f (a.ts:2:1)',
    '    at async b.ts:1:1',
    '    Caused by: Error: y\\u001b[2J',
    '    at g (a.ts:1:1)',
  ])
})

it('where the source lies here, the line that threw is shown', () => {
  write('src/a.ts')
  expect(shown('    at new Promise (<anonymous>)', '    at f (node_modules/b/c.js:1:1)', '    at g (src/a.ts:2:3)')).toEqual([
    '    at new Promise (<anonymous>)',
    '    at f (node_modules/b/c.js:1:1)',
    '    at g (src/a.ts:2:3)',
    '',
    '    src/a.ts:',
    '      1 | one',
    '    > 2 | two',
    '        |   ^',
    '      3 | three',
  ])
})

it('a source one folder down is found, unless two folders have it', () => {
  write('project/a.ts')
  expect(shown('    at f (a.ts:2:1)')[0]).toBe('    at f (project/a.ts:2:1)')
  write('other/a.ts')
  expect(shown('    at f (a.ts:2:1)')).toEqual(['    at f (a.ts:2:1)'])
})

it.each(['.env', '.secret/a.ts', '../a.ts', 'node_modules/a.ts', 'key.pem', 'link.ts', 'b//a.ts', './a.ts'])(
  '%s is never read, whatever a stack says',
  (path) => {
    const outside = mkdtempSync(join(tmpdir(), 'osiris-stack-outside-'))
    writeFileSync(join(outside, 'a.ts'), 'secret\n')
    for (const each of ['.env', '.secret/a.ts', 'node_modules/a.ts', 'key.pem', 'a.ts']) write(each, 'secret\n')
    symlinkSync(join(outside, 'a.ts'), join(dir, 'link.ts'))
    expect(shown(`    at f (${path}:1:1)`)).toEqual([`    at f (${path}:1:1)`])
    rmSync(outside, { recursive: true })
  },
)

it('a line the source does not have, a huge one and a file that is too large are not shown', () => {
  write('a.ts')
  write('b.ts', 'x'.repeat(2_000_000))
  write('c.ts', `${'y'.repeat(500_000)}\n`)
  expect(shown('    at f (a.ts:99:1)')).toEqual(['    at f (a.ts:99:1)'])
  expect(shown('    at f (b.ts:1:1)')).toEqual(['    at f (b.ts:1:1)'])
  expect(shown('    at f (c.ts:1:9999999)').join('').length).toBeLessThan(1000)
})
