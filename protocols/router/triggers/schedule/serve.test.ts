import { afterEach, expect, test } from 'vitest'
import { collect } from '#protocols/body'
import { decode, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Network } from '#protocols/network'
import { askForSchedules } from './client.ts'
import { SCHEDULE_PROTOCOL } from './messages.ts'
import { World } from './schedule.world.ts'

let world: World
afterEach(() => world.stop())

async function started(): Promise<World> {
  world = new World()
  await world.add('a')
  await world.add('b')
  await world.time.pass(10_000)
  return world
}

/** Waits in virtual time. */
async function answer<T>(asked: Promise<T>): Promise<T> {
  asked.catch(() => {})
  await world.time.pass(3000)
  return asked
}

test('a claim is taken from routers only: whoever else could keep ticks from everybody', async () => {
  await started()
  world.publish('f', { schedule: '*/5 * * * *' })
  await world.time.pass(100)
  const client = world.mesh.network({ name: 'client' })
  const start = client.start()
  await world.time.pass(3000)
  await start
  const claim = { type: 'claim', namespace: 'demo', name: 'f', line: '*/5 * * * * UTC', tickAt: Date.UTC(2027, 0, 1), round: 1 }
  for (const request of [claim, { ...claim, type: 'release' }, { type: 'rows', after: '' }])
    await expect(
      answer(client.request(world.node('a').network.peer, SCHEDULE_PROTOCOL, { head: encode(request) }, { timeoutMs: 1000 })),
    ).rejects.toMatchObject({ code: 'forbidden' })
  await client.stop()
})

test('a router grants a tick to one claimant, never one it knows to be done, and tells who comes too late', async () => {
  await started()
  world.publish('f', { schedule: '*/5 * * * *' })
  await world.time.pass(6 * 60_000)
  const { network } = world.node('b')
  const ask = async (tickAt: number) => {
    const claim = { type: 'claim', namespace: 'demo', name: 'f', line: '*/5 * * * * UTC', tickAt, round: 1 }
    const { head } = await answer(
      network.request(world.node('a').network.peer, SCHEDULE_PROTOCOL, { head: encode(claim) }, { timeoutMs: 1000 }),
    )
    return decode(head)
  }
  const done = Date.UTC(2026, 0, 1, 0, 5)
  expect(await ask(done)).toMatchObject({ granted: false, row: { name: 'f', lastAt: done } })
  expect(await ask(done + 300_000)).toEqual({ granted: true, row: null })
})

test('people see the schedules of namespaces they may read', async () => {
  await started()
  for (let at = 0; at < 120; at++) world.publish(`f${at}`, { schedule: '*/5 * * * *' })
  await world.time.pass(100)
  const { network } = world.node('b')
  const random = () => 0.5
  world.readable = []
  expect(await answer(askForSchedules({ network, random }, { subject: 'ada' }))).toEqual([])
  world.readable = ['demo']
  expect((await answer(askForSchedules({ network, random }, { subject: 'ada' }))).length).toBe(120)
  expect(await answer(askForSchedules({ network, random }, { subject: 'ada' }, 'other'))).toEqual([])
  const page = { type: 'list', after: '', caller: { subject: 'ada', token: null } }
  const { body } = await answer(
    network.request(world.node('a').network.peer, SCHEDULE_PROTOCOL, { head: encode(page) }, { timeoutMs: 1000 }),
  )
  expect((decode(await collect(body, 1024 * 1024, 'a page')) as { schedules: unknown[] }).schedules.length).toBe(100)
})

test('of routers that refuse one is asked, and of those that cannot be reached a few', async () => {
  const members = { withRole: () => ['a', 'b', 'c', 'd', 'e'].map((peer) => ({ peer, connected: true })), list: () => [] }
  const asked = async (details: Record<string, unknown>) => {
    const peers: string[] = []
    const request = (peer: string) => {
      peers.push(peer)
      return Promise.reject(new OsirisError('forbidden', 'Cannot list: no such grant', { details }))
    }
    const network = { members, request } as unknown as Pick<Network, 'members' | 'request'>
    await expect(askForSchedules({ network, random: () => 0.5 }, { subject: 'ada' })).rejects.toMatchObject({ code: 'forbidden' })
    return peers.length
  }
  expect([await asked({}), await asked({ sent: false })]).toEqual([1, 3])
})
