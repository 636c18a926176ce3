/** What a module imports, read from its text alone: TypeScript 7 has no compiler interface to ask. */
import { type Token, tokenize } from './tokens.ts'

export interface Import {
  specifier: string
  /** `type` is erased before the module runs; `value` loads the other module (also `import { type A }`, which leaves `import {}` behind). */
  kind: 'value' | 'type'
  /** Counted from 1. */
  line: number
}

type Found = Omit<Import, 'line'> | undefined

export function importsOf(text: string): Import[] {
  const tokens = tokenize(text)
  return tokens.flatMap((token, at) => {
    const found = importAt(tokens, at)
    return found === undefined ? [] : [{ ...found, line: token.line }]
  })
}

function importAt(tokens: Token[], at: number): Found {
  const token = tokens[at]!
  if (token.kind !== 'word' || isName(tokens, at)) return undefined
  const words = (...expected: string[]) => expected.every((text, i) => tokens[at + 1 + i]?.text === text)
  switch (token.text) {
    case 'import':
      if (words('(')) return readCall(tokens, at)
      if (words('.', 'meta', '.', 'resolve')) return readCall(tokens, at + 4)
      return readBare(tokens, at) ?? readFrom(tokens, at)
    case 'export':
      return words('*') || words('{') || words('type', '*') || words('type', '{') ? readFrom(tokens, at) : undefined
    case 'require':
      return readCall(tokens, words('.', 'resolve') ? at + 2 : at)
    default:
      return undefined
  }
}

/** A property (`x.import`, not the spread `...import()`), or a name in a list (`y as import`). */
function isName(tokens: Token[], at: number): boolean {
  const before = tokens[at - 1]?.text
  return before === 'as' || (before === '.' && tokens[at - 2]?.text !== '.')
}

/** `import 'x'`. */
function readBare(tokens: Token[], at: number): Found {
  const source = tokens[at + 1]
  return source?.kind === 'string' ? { specifier: source.text, kind: 'value' } : undefined
}

/** `import … from 'x'`, `export … from 'x'`: up to its `from` such a statement holds only names, braces, commas and stars. */
function readFrom(tokens: Token[], at: number): Found {
  for (let i = at + 1; i < tokens.length; i++) {
    const token = tokens[i]!
    const source = tokens[i + 1]
    if (token.text === 'from' && source?.kind === 'string')
      return { specifier: source.text, kind: isTypeOnly(tokens, at, i) ? 'type' : 'value' }
    const next = (token.text === 'import' || token.text === 'export') && tokens[i - 1]?.text !== 'as'
    if (next || token.kind === 'other' || (token.kind === 'punctuation' && !'{},*'.includes(token.text))) return undefined
  }
  return undefined
}

/** `import type X from 'x'`, but neither `import type from 'x'` nor `import type, { X } from 'x'`, where `type` is a name. */
function isTypeOnly(tokens: Token[], at: number, from: number): boolean {
  return tokens[at + 1]?.text === 'type' && from > at + 2 && tokens[at + 2]?.text !== ','
}

/** A call with one literal: `import('x')`, `require('x')`. In a type (`typeof import('x')`, `import('x').Name`) the import is erased. */
function readCall(tokens: Token[], at: number): Found {
  const source = tokens[at + 2]
  const closing = tokens[at + 3]?.text
  if (tokens[at + 1]?.text !== '(' || source?.kind !== 'string' || (closing !== ')' && closing !== ',')) return undefined
  const member = tokens[at + 4]?.text === '.' ? tokens[at + 5]?.text : undefined
  const inType = tokens[at - 1]?.text === 'typeof' || (member !== undefined && !['then', 'catch', 'finally'].includes(member))
  return { specifier: source.text, kind: inType && tokens[at]?.text === 'import' ? 'type' : 'value' }
}
