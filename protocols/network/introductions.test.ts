import { expect, test } from 'vitest'
import { createIdentity } from '#protocols/access'
import type { Clock } from '#protocols/lifecycle'
import { type HeardBeat, signBeat } from './beats.ts'
import { Introductions } from './introductions.ts'
import { MemberTable } from './members.ts'
import { decodeRequest } from './messages.ts'
import type { Beat } from './network.ts'
import { peerOf } from './peer.ts'

const AT = 1_800_000_000_000

/** Nodes that reach each other at once; who asked whom is written down. Sorted by id: the first one begins. */
function world(names: readonly string[], isDeaf: (name: string) => boolean = () => false) {
  let now = 0
  const clock: Clock = { now: () => AT + now, monotonic: () => now, after: () => () => {} }
  const asked: string[] = []
  const identities = names.map(() => createIdentity()).toSorted((a, b) => (peerOf(a.id) < peerOf(b.id) ? -1 : 1))
  const nodes = identities.map((identity, index) => {
    const name = names[index] as string
    const peer = peerOf(identity.id)
    const table = new MemberTable({ self: peer, clock })
    const beat: Beat = {
      name,
      roles: ['router'],
      addresses: [],
      capacity: 1,
      inFlight: 0,
      warm: [],
      functions: 0,
      protocol: { min: 1, max: 1 },
    }
    const own: HeardBeat = signBeat(identity, 'x', beat, AT, false)
    const introductions: Introductions = new Introductions({
      ...{ self: peer, table, universe: 'x', clock, random: () => 0, doubted: () => {} },
      own: () => ({ envelope: own.envelope, ageMs: 0 }),
      request: async (to, _, { head }) => {
        const other = nodes.find((each) => each.peer === to)!
        asked.push(`${name} ${other.name}`)
        if (isDeaf(name)) throw new Error('it cannot be reached')
        const request = decodeRequest(head)
        if (request.kind !== 'hello') throw new Error('no hello')
        return other.introductions.answer(peer, request.self, request.known)
      },
    })
    return { name, peer, table, introductions }
  })
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  return {
    nodes,
    asked,
    connect: async (a: number, b: number) => {
      const [one, other] = [nodes[a]!, nodes[b]!]
      other.introductions.met(one.peer)
      one.introductions.met(other.peer)
      await settled()
    },
    pass: async (ms: number) => {
      now += ms
      for (const { introductions } of nodes) introductions.round()
      await settled()
    },
    known: () =>
      nodes.map(({ table }) =>
        table
          .list()
          .map(({ name }) => name)
          .toSorted()
          .join(),
      ),
  }
}

test('one greeting tells two nodes of each other that know others already', async () => {
  const { asked, connect, known } = world(['a', 'b', 'c', 'd'])
  await connect(0, 2)
  await connect(1, 3)
  await connect(0, 1)
  expect(asked.slice(4)).toEqual(['a b', 'b a'])
  expect(known()).toEqual(['b,c,d', 'a,c,d', 'a', 'b'])
  asked.splice(0)
  await connect(2, 3)
  await connect(0, 3)
  expect(asked).toEqual(['c d', 'd c', 'a d'])
})

test('who knows nobody yet asks at once', async () => {
  const { asked, connect, known, pass } = world(['a', 'b', 'c'])
  await connect(0, 1)
  expect(asked.toSorted()).toEqual(['a b', 'b a'])
  asked.splice(0)
  await connect(1, 2)
  await pass(5_000)
  expect(asked.toSorted()).toEqual(['b c', 'c b'])
  expect(known()).toEqual(['b', 'a,c', 'a,b'])
})

test('who is not greeted by the one that was to begin begins itself a second later, unless the connection ended', async () => {
  const { asked, connect, pass, nodes } = world(['a', 'b', 'c', 'd'], (name) => name === 'a')
  await connect(1, 3)
  await connect(2, 3)
  asked.splice(0)
  await connect(0, 1)
  await connect(0, 2)
  nodes[2]!.introductions.parted(nodes[0]!.peer)
  await pass(500)
  expect(asked).toEqual(['a b', 'a c'])
  await pass(500)
  expect(asked).toEqual(['a b', 'a c', 'b a'])
})
