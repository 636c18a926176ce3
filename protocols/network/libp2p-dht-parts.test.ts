import type { KadDHTComponents } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { createIdentity } from '#protocols/access'
import { dhtParts } from './libp2p-dht-parts.ts'
import { peerOf } from './peer.ts'

const [here, member, stranger] = [0, 0, 0].map(() => peerIdFromString(peerOf(createIdentity().id)))

/** A host that is connected to one peer; what it opened, and how often its protocols changed. */
function world() {
  const opened: string[] = []
  const told: string[] = []
  const connectionManager = {
    getConnections: (peer: unknown) => (String(peer) === String(here) ? [{}] : []),
    openConnection: async (to: unknown) => {
      opened.push(String(to))
      return { newStream: async (protocol: string) => ({ protocol }) }
    },
  }
  const registrar = {
    handle: async () => void told.push('handle'),
    unhandle: async () => void told.push('unhandle'),
    register: async () => 'id',
  }
  const components = { connectionManager, registrar, peerId: here, datastore: {} } as unknown as KadDHTComponents
  let answerer: unknown
  const datastore = { name: 'bounded' } as unknown as KadDHTComponents['datastore']
  const addressesOf = (peer: string) => (peer === String(member) ? ['/ip4/10.0.0.2/tcp/1', `/ip4/10.0.0.3/tcp/2/p2p/${peer}`] : [])
  const parts = dhtParts({ components, datastore, addressesOf, answerBy: (by) => (answerer = by) })
  return { parts, opened, told, datastore, answerer: () => answerer }
}

test('kad-dht remembers peers there is a connection to, and opens none to find out about others', async () => {
  const { parts, opened } = world()
  expect(await parts.ping.ping(here!)).toBe(0)
  for (const peer of [member!, stranger!]) await expect(parts.ping.ping(peer)).rejects.toMatchObject({ code: 'unavailable' })
  expect(opened).toEqual([])
})

test('who is asked is dialled where it listens by its own word, if it is a member', async () => {
  const { parts, opened } = world()
  for (const peer of [here!, member!, stranger!])
    expect(await parts.connectionManager.openStream(peer, '/kad')).toEqual({ protocol: '/kad' })
  const own = `/p2p/${String(member)}`
  expect(opened).toEqual([String(here), `/ip4/10.0.0.2/tcp/1${own},/ip4/10.0.0.3/tcp/2${own}`, String(stranger)])
})

test('the protocol is neither taken back nor announced again', async () => {
  const { parts, told, answerer, datastore } = world()
  const answer = () => {}
  await parts.registrar.unhandle('/kad')
  await parts.registrar.handle('/kad', answer)
  expect(told).toEqual([])
  expect(answerer()).toBe(answer)
  expect(await parts.registrar.register('/kad', {})).toBe('id')
  expect([parts.datastore, parts.peerId]).toEqual([datastore, here])
})
