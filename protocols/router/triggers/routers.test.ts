import { expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import { MemoryMesh, type Network } from '#protocols/network'
import { Routers } from './routers.ts'
import { MapStorage, VirtualTime } from './virtual.world.ts'

test('a router that is banned is not waited for, whichever of the two it is', async () => {
  const time = new VirtualTime()
  const mesh = new MemoryMesh({ clock: time.clock() })
  const nodes: { network: Network; routers: Routers }[] = []
  for (const name of ['a', 'b']) {
    const events = createEvents()
    const network = mesh.network({ name, roles: ['router'], events })
    const routers = new Routers({ network, clock: time.clock(), events, storage: new MapStorage() })
    await network.start()
    await routers.start()
    nodes.push({ network, routers })
  }
  await time.pass(10_000)
  const [one, other] = nodes.toSorted((a, b) => (a.network.peer < b.network.peer ? 1 : -1)) as [(typeof nodes)[0], (typeof nodes)[0]]
  expect([one.routers.mayAct(), one.routers.known().size]).toEqual([true, 2])
  // Of two equal parts the one with the least name acts: that one is banned.
  one.network.judgeMembers((peer) => new Set(peer === other.network.peer ? [] : ['router']))
  await time.pass(1000)
  expect([one.routers.mayAct(), [...one.routers.known()]]).toEqual([true, [one.network.peer]])
  for (const { routers } of nodes) await routers.stop()
  const stopping = mesh.stop()
  await time.pass(10_000)
  await stopping
})
