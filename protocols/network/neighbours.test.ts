import { expect, test } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { Neighbours } from './neighbours.ts'
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
