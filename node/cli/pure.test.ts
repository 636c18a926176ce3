import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorStatus, type ErrorCode, OsirisError } from '#protocols/errors'
import { refFrom, valueOf, wholeNumber } from './arguments.ts'
import { exitCodeOf } from './exit-codes.ts'
import { capabilitiesFrom, patternsFrom } from './granting.ts'
import { printable, printableJson, printableLine } from './printable.ts'
import { nounOf } from './program.ts'
import { reportError } from './report.ts'
import { renderTable } from './table.ts'

describe('arguments', () => {
  it('what parses as JSON is that value, anything else a text', () => {
    expect(['2', '"Ada"', 'Ada', '[1,', 'null', '{"a":1}', '', '01', 'true'].map(valueOf)).toEqual([
      2,
      'Ada',
      'Ada',
      '[1,',
      null,
      { a: 1 },
      '',
      '01',
      true,
    ])
  })
  it('every JSON value survives the trip through an argument', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(valueOf(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
  it('a bare name takes the namespace that was given', () => {
    expect(refFrom('greet@v2', 'demo')).toEqual({ namespace: 'demo', name: 'greet', selector: 'v2' })
    expect(refFrom('other/greet', 'demo')).toEqual({ namespace: 'other', name: 'greet' })
    expect(() => refFrom('greet', undefined)).toThrow(/expected NAMESPACE\/NAME/)
    expect(() => refFrom('demo/Greet', undefined)).toThrow(/as a function name/)
  })
  it('numbers outside their bounds name the option', () => {
    expect(wholeNumber('5', '--nodes', 1, 9)).toBe(5)
    for (const text of ['0', '10', '1.5', '-1', 'x', ''])
      expect(() => wholeNumber(text, '--nodes', 1, 9)).toThrow('--nodes: expected a whole number between 1 and 9')
  })
})

describe('words about rights', () => {
  it('namespaces are names, prefixes or all; anything else is told before it is signed', () => {
    expect(patternsFrom('demo,team-*, *')).toEqual(['demo', 'team-*', '*'])
    for (const text of ['De mo', 'demo-', 'a**', '*a', 'Demo*', 'a/b'])
      expect(() => patternsFrom(text)).toThrow(/--namespace: expected a name/)
  })

  it('without capabilities, which there are', () => {
    for (const text of ['', ' , ']) expect(() => capabilitiesFrom(text)).toThrow('--can: say what it shall give, some of invoke, read')
  })
})

describe('exit codes', () => {
  it('follow the table of DESIGN 4.4, and no error exits with 0', () => {
    const codes = Object.keys(errorStatus) as ErrorCode[]
    const at = (exit: number) => codes.filter((code) => exitCodeOf(code) === exit)
    expect(at(2)).toEqual(['invalid_argument', 'method_not_allowed'])
    expect(at(3)).toEqual(['not_found'])
    expect(at(4)).toEqual(['unauthenticated', 'forbidden'])
    expect(at(5)).toEqual(['unavailable', 'codegen_unavailable'])
    expect(at(6).toSorted()).toEqual(['deadline_exceeded', 'not_committed'])
    expect(at(0)).toEqual([])
  })
})

describe('what others wrote, on a terminal', () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      'a',
      '\u001b',
      '\r',
      '\n',
      '\t',
      '\u009b',
      '\u202e',
      '\u2066',
      '\u0007',
      '\u007f',
      '\u2028',
      '\ufeff',
      '"',
      '\\',
      '😀',
    ),
  })
  const unsafe = (text: string) => /[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufeff]/u.test(text)
  it('no control character is ever printed raw', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(unsafe(printableLine(text))).toBe(false)
        expect(unsafe(printable(text).replaceAll(/[\n\t]/g, ''))).toBe(false)
      }),
    )
    expect(printableLine('\u001b[31mred\r')).toBe('\\u001b[31mred\\u000d')
  })
  it('JSON stays the same value', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.jsonValue()), fc.constantFrom(0, 2), (value, indent) => {
        const text = printableJson(value, indent)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(unsafe(text.replaceAll('\n', ''))).toBe(false)
      }),
    )
    expect(printableJson(undefined, 0)).toBe('null')
  })
  it('a table has one line per row, whatever is in the cells', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(hostile, hostile)), (rows) => {
        const lines = renderTable(['A', 'B'], rows).split('\n')
        expect(lines).toHaveLength(rows.length + 2)
      }),
    )
    expect(
      renderTable(
        ['NODE', 'ROLES'],
        [
          ['n', 'router'],
          ['longer', ''],
        ],
      ),
    ).toBe('NODE    ROLES\nn       router\nlonger\n')
  })
})

describe('errors', () => {
  const shown = (error: unknown, json = false) => {
    let text = ''
    const code = reportError(error, { err: (part) => (text += part), env: {}, cwd: '/nowhere' }, json)
    return { code, text }
  }
  it('one sentence, then the stack of the function, both made safe', () => {
    const error = new OsirisError('function_failed', 'boom\u001b[2J', { functionStack: 'Error: boom\n    at greet (greet.ts:1:7)\r' })
    expect(shown(error)).toEqual({ code: 1, text: 'osiris: boom\\u001b[2J\n    at greet (greet.ts:1:7)\\u000d\n' })
  })
  it('several lines stay several', () => {
    expect(shown(new OsirisError('invalid_argument', 'a.yaml:1:1: x\na.yaml:2:1: y'))).toEqual({
      code: 2,
      text: 'osiris: a.yaml:1:1: x\n        a.yaml:2:1: y\n',
    })
  })
  it('as JSON they are the shape of the SDK', () => {
    expect(JSON.parse(shown(new OsirisError('not_found', 'no'), true).text)).toEqual({ code: 'not_found', message: 'no' })
  })
  it('anything thrown becomes a sentence', () => {
    expect(shown(new TypeError('x is not a function'))).toEqual({ code: 1, text: 'osiris: Cannot go on: x is not a function\n' })
  })
})

it('the noun is found between options', () => {
  expect(nounOf(['--json', '--node', 'http://x', 'call', 'a/b'])).toBe('call')
  expect(nounOf(['help', 'node'])).toBe('node')
  expect(nounOf(['--help'])).toBeUndefined()
})
