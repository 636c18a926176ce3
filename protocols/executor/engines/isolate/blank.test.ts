import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Blanks, makeSnapshot } from './blank.ts'

const snapshot = makeSnapshot(readFileSync(new URL('runtime.generated.js', import.meta.url), 'latin1'))

it('blanks are made first and furnished for web functions then, one step at a time; one that is asked for at once is bare', async () => {
  const blanks = new Blanks({ snapshot, keep: 2, keepMost: 2, random: () => '0'.repeat(512) })
  let steps = 0
  while (await blanks.refill()) steps++
  expect(steps).toBe(4)
  const taken = [await blanks.take(64), await blanks.take(64), await blanks.take(64)]
  const [one, other, bare] = taken.map(({ isolate }) => isolate.getHeapStatisticsSync().used_heap_size) as [number, number, number]
  expect(Math.min(one, other)).toBeGreaterThan(bare + 64 * 1024)
  for (const each of taken) each.release()
})

it('a context holds little of what its function has not touched', async () => {
  const blanks = new Blanks({ snapshot, keep: 0, keepMost: 0, random: () => '0'.repeat(512) })
  const blank = await blanks.take(64)
  const { isolate } = blank
  const used = () => isolate.getHeapStatisticsSync().used_heap_size / 1024
  const before = used()
  for (let each = 0; each < 8; each++) isolate.createContextSync()
  // 184 of them are V8's own.
  expect((used() - before) / 8).toBeLessThan(310)
  blank.release()
})
