import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { importsOf } from './imports.ts'

const value = (specifier: string) => [{ specifier, kind: 'value', line: 1 }]
const type = (specifier: string) => [{ specifier, kind: 'type', line: 1 }]

describe('importsOf() finds', () => {
  it.each([
    ["import 'x'", value('x')],
    ['import x from "x"', value('x')],
    ["import * as x from 'x'", value('x')],
    ["import x, { y, type Z } from '@a/b'", value('@a/b')],
    ["import { type Z } from 'x'", value('x')],
    ["import { 'odd name' as y } from 'x'", value('x')],
    ["import type from 'x'", value('x')],
    ["import type, { y } from 'x'", value('x')],
    ["import data from './x.json' with { type: 'json' }", value('./x.json')],
    ["export * from './x.ts'", value('./x.ts')],
    ["export * as y from './x.ts'", value('./x.ts')],
    ["export { y as default } from './x.ts'", value('./x.ts')],
    ["export { y as import } from './x.ts'", value('./x.ts')],
    ["const x = await import('x')", value('x')],
    ['const x = await import(`x`)', value('x')],
    ["import('x').then((x) => x)", value('x')],
    ["const x = require('x').default", value('x')],
    ["const where = require.resolve('x')", value('x')],
    ["const where = import.meta.resolve('x')", value('x')],
    ["const text = `${await import('x')} tail`", value('x')],
    ["const text = `${`${{ a: 1 }.a}`}`; import('x')", value('x')],
    ["const half = a / b; import('x') // /", value('x')],
    ["const pattern = /['\"`/]/g; import 'x'", value('x')],
    ["const dots = [...import('x')]", value('x')],
  ])('a value import in: %s', (text, expected) => expect(importsOf(text)).toEqual(expected))

  it.each([
    ["import type X from 'x'", type('x')],
    ["import type { X, Y as Z } from 'x'", type('x')],
    ["import type * as x from 'x'", type('x')],
    ["export type { X } from 'x'", type('x')],
    ["export type * from 'x'", type('x')],
    ["let x: typeof import('x')", type('x')],
    ["let x: import('x').X", type('x')],
  ])('a type import in: %s', (text, expected) => expect(importsOf(text)).toEqual(expected))

  it('every import of a file, on its line', () => {
    const text = [
      '#!/usr/bin/env node',
      '/* one',
      'two */',
      "import a from 'a'",
      'import type {',
      '  B,',
      "} from 'b'",
      '',
      "export * from 'c'",
    ]
    expect(importsOf(text.join('\n'))).toEqual([
      { specifier: 'a', kind: 'value', line: 4 },
      { specifier: 'b', kind: 'type', line: 5 },
      { specifier: 'c', kind: 'value', line: 9 },
    ])
  })
})

describe('importsOf() finds nothing in', () => {
  it.each([
    "// import 'x'",
    "/* import 'x' */",
    'const text = "import \'x\'"',
    "const text = `import 'x'`",
    "const text = `a ${1} import 'x' ${2} import 'x'`",
    "const pattern = /import 'x'/",
    "const pattern = /[/]import 'x'/",
    "object.import('x')",
    'const specifier = pick(); import(specifier)',
    'import(`./${name}.ts`)',
    "export { a }\nconst from = 'x'",
    "export const from = ['x']",
    "import.meta.url === 'x'",
    "const tag = '<p>it\\'s</p>' // from 'x'",
  ])('%s', (text) => expect(importsOf(text)).toEqual([]))

  it('an export list before an import of types', () => {
    expect(importsOf("export { a }\nimport type { B } from 'b'")).toEqual([{ specifier: 'b', kind: 'type', line: 2 }])
  })
})

it('importsOf() ends on any text', () => {
  const piece = fc.oneof(
    fc.constantFrom('`', '${', '}', '/', '/*', '*/', "'", '"', '\\', '\n', 'import', ' from ', '(', '{', '#!', '😀'),
    fc.string(),
  )
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => Array.isArray(importsOf(pieces.join('')))))
})
