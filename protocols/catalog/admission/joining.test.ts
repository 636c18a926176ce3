import { expect, it } from 'vitest'
import { createIdentity, createUniverse, universeId } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Member, Network, Peer } from '#protocols/network'
import { peerOf } from '#protocols/network'
import { signEntry } from '../ledger/entry.ts'
import { askToJoin } from './joining.ts'

const root = createIdentity()
const universe = createUniverse('test', root.id)
const own = createIdentity()
type Says = 'yes' | 'no' | 'silent' | OsirisError

/** Catalogs that answer so, one after the other. */
function join(...says: Says[]) {
  const asked: Peer[] = []
  const members = says.map((_, at) => ({ peer: `peer-${at}` }) as Member)
  const network = {
    peer: peerOf(own.id),
    members: { list: () => members, naming: () => members } as unknown as Network['members'],
    request: async (peer: Peer) => {
      asked.push(peer)
      const answer = says[Number(peer.slice(5))] as Says
      if (answer === 'silent') throw new OsirisError('unavailable', 'Cannot reach it')
      if (answer !== 'yes') throw answer === 'no' ? new OsirisError('forbidden', 'Cannot let in "a": it lies') : answer
      return { head: new Uint8Array(), body: undefined } as never
    },
  }
  const { signal } = new AbortController()
  return { asked, answer: askToJoin(network, { name: 'a', roles: ['router'], invited: undefined, root: root.id, signal }) }
}

function ban(by: typeof root, member: string): OsirisError {
  const place = { format: 1 as const, universe: universeId(universe), author: by.id, seq: 2, prev: 'f'.repeat(64) }
  const rest = { hlc: { wallMs: 1, counter: 0 }, type: 'ban', body: { member, seq: 0 }, by: 'root', grant: null }
  const { bytes } = signEntry(by, { ...place, ...rest })
  return new OsirisError('forbidden', 'Cannot let in "a": it is banned', { details: { ban: Buffer.from(bytes).toString('base64') } })
}

it('one catalog that lies turns nobody away: the others are asked, and a yes counts', async () => {
  expect(await join('no', 'yes').answer).toMatchObject({ state: 'admitted', by: 'peer-1' })
  expect(await join('no', 'silent', 'silent').answer).toMatchObject({ state: 'waiting', reason: expect.stringContaining('1 of 3') })
  expect(await join('no', 'no', 'silent', 'silent').answer).toMatchObject({ state: 'waiting' })
})

it('a refusal is final when more than half of the catalogs say so, or one shows the root’s own word', async () => {
  expect(await join('no').answer).toMatchObject({ state: 'refused' })
  expect(await join('no', 'silent', 'no').answer).toMatchObject({ state: 'refused' })
  const shown = join('silent', ban(root, own.id), 'yes')
  expect(await shown.answer).toMatchObject({ state: 'refused' })
  expect(shown.asked).toHaveLength(2)
  for (const forged of [ban(createIdentity(), own.id), ban(root, createIdentity().id)])
    expect(await join(forged, 'yes').answer).toMatchObject({ state: 'admitted' })
  const junk = new OsirisError('forbidden', 'no', { details: { ban: 'AAAA' } })
  expect(await join(junk, 'silent').answer).toMatchObject({ state: 'waiting' })
})

it('nobody there, and nobody who can say: it waits', async () => {
  expect(await join().answer).toMatchObject({ state: 'waiting' })
  expect(await join('silent').answer).toMatchObject({ state: 'waiting' })
})
