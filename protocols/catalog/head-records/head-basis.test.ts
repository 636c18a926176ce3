import { expect, it } from 'vitest'
import { createIdentity, createUniverse, type Identity, universeId } from '#protocols/access'
import { agreeToRotation } from '../ledger/authority-facts.ts'
import { authorityOf, EVES, Feeds, NODES, RECOVERY, ROOT, scope } from '../ledger/authority.world.ts'
import { createGenesis, type Entry, openEntry, signEntry } from '../ledger/entry.ts'
import { basisIn, basisPlaces } from './head-basis.ts'

const [root, recovery, next, third, node, node2, eve] = Array.from({ length: 7 }, () => createIdentity()) as [
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
]
const universe = createUniverse('test', root.id)
const id = universeId(universe)
const genesis = openEntry(createGenesis(root, universe, recovery.id))

/** Only what the basis is read from matters: who says what, and which entry of theirs it is. */
function entry(author: Identity, seq: number, type: string, body: Record<string, unknown>, grant: string | null = null): Entry {
  const place = { format: 1 as const, universe: id, author: author.id, seq, prev: seq === 1 ? null : 'f'.repeat(64) }
  return signEntry(author, { ...place, hlc: { wallMs: 100 + seq, counter: 0 }, type, body, by: 'x', grant })
}
const admit = (by: Identity, member = node, seq = 5, grant: string | null = null) =>
  entry(by, seq, 'admit', { member: member.id, name: 'n', roles: ['catalog'], grants: [], expiresAtMs: null }, grant)
const rotate = (by: Identity, from: Identity, to: Identity, seq: number, pin = seq, agreed = to) =>
  entry(
    by,
    seq,
    'rotate',
    { from: from.id, to: to.id, seq: pin, proof: agreeToRotation(agreed, id, from.id) },
    by === node ? 'a'.repeat(64) : null,
  )
const signerOf = (...entries: Entry[]) => basisIn(entries, root.id).signer

it('believes a catalog that the root let in, whichever key held the root then, and by whichever key the catalog goes now', () => {
  expect(signerOf(admit(root))).toBe(node.id)
  expect(signerOf(rotate(root, root, next, 9), admit(next))).toBe(node.id)
  expect(signerOf(rotate(root, root, next, 9), rotate(next, next, third, 3), admit(third))).toBe(node.id)
  expect(signerOf(genesis, rotate(recovery, root, next, 1, 7), admit(next))).toBe(node.id)
  expect(signerOf(rotate(root, root, next, 9), admit(root))).toBe(node.id)
  expect(signerOf(admit(root), rotate(node, node, node2, 2))).toBe(node2.id)
  expect(signerOf(admit(root), rotate(root, node, node2, 7, 2))).toBe(node2.id)
})

it('believes nobody else: wrong keys, wrong order, without the other’s word, behind the pin, or with anything more', () => {
  const wrong: Entry[][] = [
    [],
    [genesis],
    [admit(eve)],
    [admit(root, node, 5, 'a'.repeat(64))],
    [admit(next)],
    [admit(next), rotate(root, root, next, 9)],
    [rotate(eve, root, eve, 9), admit(eve)],
    [rotate(eve, eve, next, 9), admit(next)],
    [rotate(root, root, next, 9, 9, eve), admit(next)],
    [rotate(root, root, next, 9, 8), admit(next)],
    [rotate(recovery, root, next, 1, 7), admit(next)],
    [genesis, rotate(recovery, root, next, 1, 7), admit(root, node, 8)],
    [genesis, rotate(recovery, root, next, 1, 7, eve), admit(next)],
    [admit(root), admit(root, eve)],
    [admit(root), rotate(eve, node, eve, 2)],
    [admit(root), rotate(node, node, eve, 2, 2, node2)],
    [admit(root), rotate(eve, eve, node2, 2)],
  ]
  for (const entries of wrong) expect(() => signerOf(...entries)).toThrow('did not let its signer in')
})

it('names the entries that show it, from the first root’s key to the key that the catalog has now', () => {
  const feeds = new Feeds()
  const [a, b] = NODES
  const [heir] = EVES
  const rotation = feeds.write(
    RECOVERY,
    'rotate',
    { from: ROOT.id, to: heir.id, seq: 5, proof: agreeToRotation(heir, '0'.repeat(16), ROOT.id) },
    { grant: null },
  )
  const admitted = feeds.write(
    heir,
    'admit',
    { member: a.id, name: 'a', roles: ['catalog'], grants: [scope('deploy', '*')], expiresAtMs: null },
    { grant: null },
  )
  const turned = feeds.write(
    a,
    'rotate',
    { from: a.id, to: b.id, seq: 1, proof: agreeToRotation(b, '0'.repeat(16), a.id) },
    { grant: admitted.hash },
  )
  const authority = authorityOf(feeds.lines)
  const first = feeds.lines[0]
  const { keys, grants } = authority.verdict
  const fact = grants.get(admitted.hash)?.fact
  const known = { root: ROOT.id, recovery: RECOVERY.id, genesis: authority.genesis()?.place }
  const places = fact && basisPlaces(keys, known, { place: fact.place, subject: fact.subject }, b.id)
  expect(places?.map(({ hash }) => hash)).toEqual([first, rotation, admitted, turned].map((line) => line?.hash))
  expect(fact && basisPlaces(keys, known, { place: fact.place, subject: fact.subject }, createIdentity().id)).toBeUndefined()
})
