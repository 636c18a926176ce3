import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { encode } from '#protocols/codec'
import { askForSchedules } from './client.ts'
import { PAGE_ROWS, PAGES_MAX } from './messages.ts'

test('a router that always has another page is not heard for ever', async () => {
  let asked = 0
  const request = async () => {
    const schedules = Array.from({ length: PAGE_ROWS }, (_, at) => ({
      ...{
        namespace: 'demo',
        name: `f${String(asked * PAGE_ROWS + at).padStart(9, '0')}`,
        version: 'v1',
        cron: '* * * * *',
        timezone: 'UTC',
      },
      ...{ missed: 'skip', overlap: false, nextAt: null, owner: null, last: null, problem: null },
    }))
    asked += 1
    return { head: Buffer.alloc(0), body: Readable.from([encode({ schedules })]) }
  }
  const members = { withRole: () => [{ peer: 'p' }] }
  await askForSchedules({ network: { members, request } as never, random: () => 0.5 }, { subject: 'ada' })
  expect(asked).toBe(PAGES_MAX)
})
