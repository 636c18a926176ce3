import fc from 'fast-check'
import { expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { RECORD_BYTES_MAX, RECORDS_MAX } from './limits.ts'
import { RecordTable } from './records.ts'

const KEY = 'ab'.repeat(32)

/** Values are `[rank, good]`. */
function table(): RecordTable {
  const records = new RecordTable()
  records.judge('test', (_, value) => {
    if (value[1] !== 1) throw new OsirisError('invalid_argument', 'Cannot use the record: it is bad')
    return String.fromCharCode(value[0] ?? 0)
  })
  return records
}

it('whatever is offered in whatever order, the best is the latest good one', () => {
  const values = fc.array(fc.tuple(fc.nat(255), fc.boolean()), { maxLength: 30 })
  fc.assert(
    fc.property(values, (offers) => {
      const records = table()
      for (const [rank, good] of offers) records.hear('test', KEY, Uint8Array.of(rank, Number(good)))
      const good = offers.flatMap(([rank, isGood]) => (isGood ? [rank] : []))
      expect(records.best('test', KEY)?.[0]).toBe(good.length === 0 ? undefined : Math.max(...good))
      if (good.length === 0) return
      const all = offers.map(([rank, isGood]) => Uint8Array.of(rank, Number(isGood)))
      expect([...(all[records.select('test', KEY, all)] ?? [])]).toEqual([Math.max(...good), 1])
    }),
  )
})

it('refuses an older one, a kind without a judge, a key of another form, too many bytes', () => {
  const records = table()
  records.offer('test', KEY, Uint8Array.of(2, 1))
  expect(() => records.offer('test', KEY, Uint8Array.of(1, 1))).toThrow('a later one is here')
  expect(() => records.offer('other', KEY, Uint8Array.of(3, 1))).toThrow('its kind is not known here')
  expect(() => records.offer('test', 'x', Uint8Array.of(3, 1))).toThrow('not 64 hex characters')
  expect(() => records.offer('test', KEY, new Uint8Array(RECORD_BYTES_MAX + 1).fill(1))).toThrow('it is too long')
})

it('forgets what is good no more, and the oldest of too many', () => {
  let good = true
  const records = new RecordTable()
  records.judge('test', () => {
    if (!good) throw new OsirisError('invalid_argument', 'Cannot use the record: it is over')
    return ''
  })
  const keys = Array.from({ length: RECORDS_MAX + 1 }, (_, at) => at.toString(16).padStart(64, '0'))
  for (const key of keys) records.offer('test', key, Uint8Array.of(1))
  expect(records.best('test', keys[0] ?? '')).toBeUndefined()
  expect(records.best('test', keys[1] ?? '')).toEqual(Uint8Array.of(1))
  good = false
  expect(records.best('test', keys[1] ?? '')).toBeUndefined()
  good = true
  expect(records.best('test', keys[1] ?? '')).toBeUndefined()
})
