import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OsirisError } from './errors.ts'
import { parseCron } from './schedule.ts'

const at = (text: string) => Date.parse(text)
const after = (line: string, time: string, timezone?: string) =>
  new Date(parseCron(line, timezone).after(at(time)) ?? Number.NaN).toISOString()

describe('a cron line', () => {
  test.each([
    ['*/5 * * * *', '2026-11-22T10:05:00.000Z'],
    ['*/10 * * * * *', '2026-11-22T10:03:10.000Z'],
    ['0 9 * * MON-FRI', '2026-11-23T09:00:00.000Z'],
    ['0 0 L * *', '2026-11-30T00:00:00.000Z'],
    ['0 0 29 2 *', '2028-02-29T00:00:00.000Z'],
    ['@daily', '2026-11-23T00:00:00.000Z'],
  ])('%s is next due at %s', (line, next) => expect(after(line, '2026-11-22T10:03:00.500Z')).toBe(next))
  test('a tick is after the time asked for, never at it', () => {
    expect(after('*/5 * * * *', '2026-11-22T10:05:00.000Z')).toBe('2026-11-22T10:10:00.000Z')
    expect(after('*/5 * * * *', '2026-11-22T10:04:59.999Z')).toBe('2026-11-22T10:05:00.000Z')
  })
  test('in a time zone that changes its clocks comes once a day, or in both of the hours that are one', () => {
    const berlin = (line: string, time: string) => after(line, time, 'Europe/Berlin')
    expect(berlin('30 2 * * *', '2026-03-28T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(berlin('30 2 * * *', '2026-10-24T12:00:00Z')).toBe('2026-10-25T00:30:00.000Z')
    expect(berlin('30 2 * * *', '2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00.000Z')
    expect(berlin('*/30 * * * *', '2026-10-25T00:30:00Z')).toBe('2026-10-25T01:00:00.000Z')
  })
  test('what was missed is the ticks between two times, of more than asked for the last', () => {
    const ticks = parseCron('*/5 * * * *')
    const from = at('2026-11-22T10:00:00Z')
    const minutes = (max: number, untilMinute = 15) =>
      ticks.between(from, from + untilMinute * 60_000, max).map((each) => (each - from) / 60_000)
    expect(minutes(10)).toEqual([5, 10, 15])
    expect(minutes(2)).toEqual([10, 15])
    expect(minutes(10, 4)).toEqual([])
  })
  test('between() and after() agree', () => {
    const lines = fc.constantFrom('*/5 * * * *', '0 */2 * * *', '15,45 8-10 * * 1-5', '30 2 * * *', '*/20 * * * * *')
    fc.assert(
      fc.property(
        lines,
        fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'),
        fc.integer({ min: 0, max: 525_600 }),
        (line, zone, minute) => {
          const ticks = parseCron(line, zone)
          const from = at('2026-01-01T00:00:00Z') + minute * 60_000
          const all: number[] = []
          for (let next = ticks.after(from); next !== undefined && all.length < 5; next = ticks.after(next)) all.push(next)
          expect(ticks.between(from, all[4] ?? 0, 5)).toEqual(all)
        },
      ),
      { numRuns: 40 },
    )
  })
  test.each([
    ['', 'expected five fields'],
    ['* * * *', 'expected five fields'],
    ['* * * * * * *', 'expected five fields'],
    ['2026-01-01T00:00:00', 'expected five fields'],
    ['61 * * * *', 'Invalid value for minute: 61'],
    ['*/0 * * * *', 'illegal stepping'],
    ['x * * * *', 'illegal characters'],
    ['@never', 'exactly five'],
    ['0 0 30 2 *', 'no such time comes'],
    [`${'1,'.repeat(200)}1 * * * *`, 'longer than 256 characters'],
  ])('%j is refused', (line, reason) => {
    const refusal = expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining(reason) as string }) as object
    expect(() => parseCron(line)).toThrow(refusal)
  })
  test('a time zone that is none is refused', () => {
    expect(() => parseCron('* * * * *', 'Mars/Olympus')).toThrow('Cannot read "* * * * *" as a schedule: "Mars/Olympus" is no time zone')
  })
  test('any text is a schedule or a refusal', () => {
    const field = fc.string({ unit: fc.constantFrom('*', '/', '-', ',', '1', '5', '31', 'L', 'W', '#', 'MON', '?', '+') })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(field, { minLength: 4, maxLength: 7 }).map((all) => all.join(' ')),
        ),
        (line) => {
          let refusal: unknown
          try {
            parseCron(line)
          } catch (error) {
            refusal = error
          }
          expect(refusal === undefined || (refusal instanceof OsirisError && refusal.code === 'invalid_argument')).toBe(true)
        },
      ),
      { numRuns: 300 },
    )
  })
})
