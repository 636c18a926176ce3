import { expect, test } from 'vitest'
import { createIdentity } from '#protocols/access'
import type { Clock } from '#protocols/lifecycle'
import { CONNECTIONS_TARGET } from './limits.ts'
import { OwnBeat } from './own-beat.ts'

function clockAt() {
  const timers: { at: number; run: () => void }[] = []
  let now = 0
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (ms, run) => {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => void (timers.includes(timer) && timers.splice(timers.indexOf(timer), 1))
    },
  }
  const pass = async (ms: number) => {
    const end = now + ms
    for (;;) {
      const next = timers.toSorted((a, b) => a.at - b.at).find(({ at }) => at <= end)
      if (next === undefined) break
      timers.splice(timers.indexOf(next), 1)
      now = Math.max(now, next.at)
      next.run()
      for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    }
    now = end
  }
  return { clock, pass }
}

async function beatsIn(seconds: number, members: number): Promise<number> {
  const { clock, pass } = clockAt()
  let beats = 0
  const own = new OwnBeat({
    ...{ identity: createIdentity(), universe: 'u', clock, addresses: () => [], members: () => members },
    beat: {
      ...{ name: 'one', roles: ['router'], addresses: [], capacity: 1, inFlight: 0, warm: [], functions: 0 },
      protocol: { min: 1, max: 1 },
    },
    publish: async () => void beats++,
    onError: (error) => {
      throw error
    },
  })
  own.start()
  await pass(500)
  beats = 0
  await pass(seconds * 1000)
  own.halt()
  return beats
}

test('a node beats every second, and in a crowd only when asked', async () => {
  expect(await beatsIn(20, 4)).toBe(20)
  expect(await beatsIn(20, CONNECTIONS_TARGET)).toBe(20)
  expect(await beatsIn(20, CONNECTIONS_TARGET + 1)).toBe(0)
})
