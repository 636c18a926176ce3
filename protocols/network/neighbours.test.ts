import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { CONNECTIONS_EAGER, CONNECTIONS_PACE_MS, CONNECTIONS_TARGET, CONNECTIONS_TARGET_ROLELESS } from './limits.ts'
import { Neighbours, roomFor } from './neighbours.ts'
import type { Member } from './network.ts'
import type { Transport } from './transport.ts'

test('a slow disk gets the addresses once at a time, and the last of them in the end', async () => {
  let now = 0
  const clock: Clock = { now: () => now, monotonic: () => now, after: () => () => {} }
  const members = [{ peer: 'b', addresses: ['/ip4/10.0.0.2/tcp/1'], roles: ['router'], connected: true }] as unknown as Member[]
  const transport = { peer: 'a', connections: () => ['b'] } as unknown as Transport
  const saves: { addresses: string[]; end: () => void }[] = []
  const storage = {
    load: async () => [],
    save: (addresses: string[]) => new Promise<void>((end) => saves.push({ addresses, end })),
  }
  const list = { list: () => members } as never
  const errors: unknown[] = []
  const onError = (error: unknown) => errors.push(error)
  const neighbours = new Neighbours({
    ...{ transport, members: list, clock, random: () => 0.5, bootstrap: [], storage, roleless: () => false, onError },
  })
  await neighbours.start()
  neighbours.joined(members[0] as Member)
  neighbours.round()
  members.push({ ...(members[0] as Member), peer: 'c', addresses: ['/ip4/10.0.0.3/tcp/1'] })
  neighbours.joined(members[1] as Member)
  now += 60_000
  neighbours.round()
  expect(saves).toHaveLength(1)
  const stopping = neighbours.stop()
  saves[0]?.end()
  await expect.poll(() => saves.length).toBe(2)
  saves[1]?.end()
  await stopping
  expect(saves.map(({ addresses }) => addresses.length)).toEqual([1, 2])
  expect(errors).toEqual([])
})

test('a few members are dialled at once, the rest one after the other, and never more than wanted', () => {
  const count = fc.nat({ max: 20 })
  const target = fc.constantFrom(CONNECTIONS_TARGET, CONNECTIONS_TARGET_ROLELESS)
  fc.assert(
    fc.property(fc.record({ connections: count, dialling: count, target, isDue: fc.boolean() }), (state) => {
      const room = roomFor(state)
      const busy = state.connections + state.dialling
      expect(room).toBeGreaterThanOrEqual(0)
      expect(room === 0 || busy + room <= state.target).toBe(true)
      const few = Math.min(CONNECTIONS_EAGER, state.target)
      expect(busy + room >= few).toBe(true)
      const oneMore = Number(state.isDue && state.dialling === 0 && state.connections < state.target)
      expect(room).toBe(busy >= few ? oneMore : few - busy)
    }),
  )
})

test('a node that hears of twenty members at once dials four, and one more every two seconds', async () => {
  let now = 0
  const clock: Clock = { now: () => now, monotonic: () => now, after: () => () => {} }
  const members = Array.from({ length: 20 }, (_, at) => ({ peer: `p${at}`, addresses: ['/x'], roles: ['router'], connected: false }))
  const connect = async (peer: string) => {
    for (const each of members) if (each.peer === peer) each.connected = true
  }
  const transport = { peer: 'a', connections: () => [], connect } as unknown as Transport
  const list = { list: () => members } as never
  const neighbours = new Neighbours({
    ...{ transport, members: list, clock, random: () => 0.5, bootstrap: [], storage: undefined, roleless: () => false, onError: () => {} },
  })
  const connected: number[] = []
  await neighbours.start()
  for (let seconds = 0; seconds < 20; seconds += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    connected.push(members.filter((each) => each.connected).length)
    now += CONNECTIONS_PACE_MS / 2
    neighbours.round()
  }
  expect(connected.slice(0, 5)).toEqual([4, 4, 5, 5, 6])
  expect(connected.at(-1)).toBe(CONNECTIONS_TARGET)
})
