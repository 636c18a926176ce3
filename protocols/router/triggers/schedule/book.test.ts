import { expect, test } from 'vitest'
import { MapStorage } from '../virtual.world.ts'
import { ScheduleBook } from './book.ts'

const NOW = Date.UTC(2026, 0, 1)
const YEARS = 10 * 365 * 86_400_000

function bookAt(nowOf: () => number, storage = new MapStorage()): ScheduleBook {
  const onRefused = (error: unknown): never => {
    throw error
  }
  return new ScheduleBook({ storage, clock: { now: nowOf }, onRefused })
}

test('what a router far ahead says of a schedule is not believed, by whatever way it comes', () => {
  const book = bookAt(() => NOW)
  const row = book.begin('demo', 'f', '* * * * * UTC')
  for (const wrong of [{ lastAt: NOW + YEARS }, { fired: { tickAt: NOW, by: 'b', untilMs: NOW + YEARS, end: null } }]) {
    expect(book.merge({ ...row, ...wrong })).toBe(false)
    expect(book.row('demo/f')).toEqual(row)
  }
  expect(book.merge({ ...row, lastAt: NOW + 1000 })).toBe(true)
})

test('a disk that was written by a clock far ahead begins anew', async () => {
  const storage = new MapStorage()
  const before = bookAt(() => NOW + YEARS, storage)
  const row = before.begin('demo', 'f', '* * * * * UTC')
  before.set({ ...row, lastAt: NOW + YEARS })
  expect(await before.grant('demo/f', row.line, { tickAt: NOW + YEARS + 60_000, to: 'a', round: 1 })).toBe(true)
  const after = bookAt(() => NOW, storage)
  await after.load()
  expect(after.begin('demo', 'f', row.line)).toMatchObject({ since: NOW, lastAt: NOW })
  expect(await after.grant('demo/f', row.line, { tickAt: NOW + 60_000, to: 'b', round: 1 })).toBe(true)
})
