import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EngineReports } from '../engine.ts'
import { type MailSink, readMail } from './mail.ts'
import { OUT } from './runtime/codes.ts'

/** Everything that is told, with its arguments. */
function recording() {
  const told: [string, ...unknown[]][] = []
  const teller = (extra: object) =>
    new Proxy(extra, { get: (has, name) => Reflect.get(has, name) ?? ((...args: unknown[]) => told.push([String(name), ...args])) })
  const reports = teller({}) as EngineReports
  return { told, sink: teller({ id: 7, reports, isOpen: () => true }) as MailSink }
}

const KINDS = ['string', 'number', 'undefined', 'boolean', 'bytes']
const kindOf = (value: unknown) => (value instanceof Uint8Array ? 'bytes' : typeof value)

describe('readMail()', () => {
  it('reads what the runtime writes', () => {
    const { told, sink } = recording()
    const bytes = new Uint8Array(3)
    const mail = [OUT.log, 1, 2, 'a line', undefined, OUT.chunk, 1, bytes, undefined, undefined, OUT.value, 1, '"x"', undefined, undefined]
    expect(readMail(mail, sink)).toBe(true)
    expect(told).toEqual([
      ['log', 7, 1, 2, 'a line'],
      ['chunk', 1, bytes],
      ['settled', 1, '"x"'],
    ])
  })

  it.each([
    ['text where bytes belong', OUT.chunk, 1, '\u00e9'.repeat(10_000)],
    ['something like bytes', OUT.chunk, 1, { length: 1e9 }],
    ['an object where text belongs', OUT.value, 1, { charCodeAt: 1 }],
    ['a call that is no number', OUT.value, '1', 'null'],
    ['a call below zero', OUT.value, -1, 'null'],
    ['a credit that is no number', OUT.credit, 1, NaN],
    ['a level there is none of', OUT.log, 1, 4, 'x'],
    ['a code there is none of', 999, 1],
    ['the name of something every object has', 'toString', 1],
    ['an entry that is cut', OUT.log, 1, 2],
  ])('stops at %s', (_, ...entry) => {
    const { told, sink } = recording()
    expect(readMail([...entry], sink)).toBe(false)
    expect(told).toEqual([])
  })

  it('hands on nothing of a kind it does not say, whatever the mail is', () => {
    const field = fc.oneof(fc.anything(), fc.nat(80), fc.string(), fc.uint8Array())
    const code = fc.oneof(fc.constantFrom(...Object.values(OUT)), fc.anything())
    const mail = fc.oneof(
      fc.anything(),
      fc.array(fc.tuple(code, fc.oneof(fc.nat(9), fc.anything()), field, field, field)).map((all) => all.flat()),
    )
    fc.assert(
      fc.property(mail, (each) => {
        const { told, sink } = recording()
        readMail(each, sink)
        const kinds = told.flatMap(([name, ...args]) => (name === 'crypto' ? [args[0], args[2]] : args)).map(kindOf)
        expect(new Set([...kinds, ...KINDS])).toEqual(new Set(KINDS))
      }),
    )
  })
})
