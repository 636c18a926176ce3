import { build, transform } from 'esbuild'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withoutTemplates } from './bundle.ts'
import { parametersOf } from './parameters.ts'

async function namesOf(source: string): Promise<string[]> {
  const stdin = { contents: source, loader: 'ts' as const, sourcefile: 'greet.ts' }
  const { outputFiles } = await build({
    stdin,
    bundle: true,
    write: false,
    format: 'esm',
    charset: 'utf8',
    target: 'es2024',
    external: ['osiris/function'],
  })
  return parametersOf(await withoutTemplates(outputFiles[0]?.text ?? ''))
}

describe('parametersOf()', () => {
  test.each<[string, string[]]>([
    ['export default function greet(name: string, times = 1) {}', ['name', 'times']],
    ['export default function (a, b) {}', ['a', 'b']],
    ['export default async function greet(a) {}', ['a']],
    ['export default function* greet(a) {}', ['a']],
    ['export default async function* (a, b) {}', ['a', 'b']],
    ['export default (a, b) => a + b', ['a', 'b']],
    ['export default async a => a', ['a']],
    ['export default () => 1', []],
    ['export default function () {}', []],
    ['function greet(a) {}\nexport { greet as default }', ['a']],
    ['const greet = (a, b) => 1\nexport default greet', ['a', 'b']],
    ['const greet = function inner(a) {}\nexport default greet', ['a']],
    ['const first = (x) => 1\nconst second = first\nexport default second', ['x']],
    ['export default (function named(a, b) {})', []],
    ['export default (function () { return (a) => a })()', []],
    ['export default function (this: void, a: string) {}', ['a']],
    ['export default function ({ a, b }, [c, d], e) {}', ['', '', 'e']],
    ['export default function ({ a = (1, 2), b: { c } } = {}, last) {}', ['', 'last']],
    ['export default function (first, ...rest) {}', ['first', 'rest']],
    ['export default function (...[a, b]) {}', ['']],
    ['export default (a = (x, y) => [x, y], b = { k: [1, 2] }, c = f(1, 2)) => 1', ['a', 'b', 'c']],
    [`export default (a = "),(", b = '\\'),', c = 1) => 1`, ['a', 'b', 'c']],
    ['export default (a = `),${[1, "),"].join(`,`)}(`, b) => 1', ['a', 'b']],
    ['export default (a = /[),/]\\),/g, b = 4 / 2 / 1, c) => 1', ['a', 'b', 'c']],
    ['export default (a = /* , ) */ 1, b /* : c, d */) => 1', ['a', 'b']],
    ['export default function ($a, _b, \u00fcn\u00efcode) {}', ['$a', '_b', '\u00fcn\u00efcode']],
    ['export default function $(a) {}', ['a']],
    [
      'const text = `\nfunction greet(wrong) {\nexport {\n  wrong as default\n};\n`\nexport default function greet(right) { return text }',
      ['right'],
    ],
    ['export default { fetch(request, env, ctx) {} }', []],
    ['export default class { constructor(a) {} }', []],
    ['export default function wrapped(a) {}\nwrapped.extra = 1', ['a']],
    ['const wrap = (f: unknown) => f\nexport default wrap((a: string) => a)', []],
    ['export default (1 + 2) * 3', []],
    ['export default ((a) => a)(1)', []],
    ['export default "text"', []],
    ['export default null', []],
    ['let greet = (a) => a\ngreet = null\nexport { greet as default }', ['a']],
    ['module.exports = function (a) {}', []],
    ['import { call } from "osiris/function"\nexport default async (who) => call("a/b", who)', ['who']],
  ])('%s: %j', async (source, expected) => {
    expect(await namesOf(source)).toEqual(expected)
  })
  test('takes 64 names at most, and none that is longer than a manifest takes', async () => {
    const many = Array.from({ length: 70 }, (_, index) => `p${index}`)
    expect(await namesOf(`export default (${many.join(', ')}) => 1`)).toEqual(many.slice(0, 64))
    expect(await namesOf(`export default (${'x'.repeat(200)}, y) => 1`)).toEqual(['', 'y'])
  })
  test('never throws, whatever text it is given, and is quick with it', () => {
    const pieces = fc.constantFrom(
      'export {\n',
      '  a as default\n',
      '};\n',
      'function a(',
      'var a = ',
      '(',
      ')',
      '[',
      '{',
      '}',
      '"',
      "'",
      '`',
      '/',
      '\\',
      '\n',
      ',',
      ' =>',
      '...',
      'a',
      '//',
      '/*',
    )
    const check = fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
      expect(Array.isArray(parametersOf(`${parts.join('')}\nexport {\n  a as default\n};\n`))).toBe(true)
    })
    fc.assert(check, { numRuns: 1000 })
  })
  test('reads what the bundler prints for any list of plain names', async () => {
    const name = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,8}$/)
    const list = fc.uniqueArray(name, { maxLength: 6 })
    const check = fc.asyncProperty(list, async (names) => {
      const escaped = names.map((each) => `${each}_`)
      const { code } = await transform(
        `function greet(${escaped.map((each, index) => (index % 2 ? each : `${each} = [",", ")"]`)).join(',')}) {}`,
      )
      expect(parametersOf(`${code}export {\n  greet as default\n};\n`)).toEqual(escaped)
    })
    await fc.assert(check, { numRuns: 50 })
  })
})
