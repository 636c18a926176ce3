import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, type Identity, issueToken, issueTokenBy, universeId } from '#protocols/access'
import type { OsirisError } from '#protocols/errors'
import { until } from '#protocols/until'
import { aFunction, type CatalogNode, CatalogUniverse, storageThat, untilEqual, untilMembers } from './catalog.fixture.ts'
import { openEntry, signEntry } from './ledger/entry.ts'
import { fixedRootKeys, type RootKeys } from './rotating.ts'
import { proveFeed } from './witnesses/feed-proof.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

/** A host's disk for keys of the root's, which outlives its processes. */
class KeyDisk {
  readonly held: Identity[]
  waiting: Identity | undefined
  saving: () => Promise<void> = async () => {}

  constructor(...held: Identity[]) {
    this.held = held
  }

  open(): RootKeys {
    return {
      held: [...this.held, ...(this.waiting === undefined ? [] : [this.waiting])],
      next: async (isUsed) => {
        if (this.waiting === undefined || isUsed(this.waiting.id)) this.waiting = createIdentity()
        await this.saving()
        return this.waiting
      },
      tookOver: async (key) => {
        if (this.waiting?.id !== key.id) return
        this.held.push(key)
        this.waiting = undefined
      },
    }
  }
}

const tokenOf = (key: Identity) =>
  issueTokenBy(key, universeId(universe.universe), 'boss', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + 60_000)
const rotate = async ({ service }: CatalogNode, by: Identity, from?: string, timeoutMs = 3000) =>
  service.succession.rotate({ caller: { subject: 'boss', token: await tokenOf(by) }, ack: 'committed', timeoutMs, from })
const holderAt = ({ service }: CatalogNode) => service.authority()
const admit = ({ service }: CatalogNode) => service.admit(createIdentity().id, 'guest', ['router'], [])
const endOf = ({ service }: CatalogNode, author: string) => service.status().heads.find((head) => head.author === author)?.seq ?? 0

async function founded(disk: KeyDisk, storage?: CatalogNode['storage']): Promise<CatalogNode[]> {
  const founder = await universe.node('founder', { isFounder: true, rootKeys: disk.open(), ...(storage === undefined ? {} : { storage }) })
  const others = [await universe.node('b'), await universe.node('c')]
  const all = [founder, ...others]
  await untilMembers(all, 2)
  await untilEqual(all)
  universe.access.follow(founder.service)
  return all
}

it('the node that holds the root makes the next key; all follow, and what the old one had done stands', async () => {
  const disk = new KeyDisk(universe.root)
  const all = await founded(disk)
  const [founder, other] = all as [CatalogNode, CatalogNode]
  await admit(founder)
  const ended = endOf(founder, universe.root.id) + 1
  const done = await rotate(founder, universe.root, universe.root.id)
  const next = disk.held.at(-1) as Identity
  expect(done).toMatchObject({ from: universe.root.id, to: next.id, changed: true, receipt: { seq: ended, state: 'committed' } })
  expect([disk.held.length, disk.waiting]).toEqual([2, undefined])
  for (const node of all) {
    await until(() => holderAt(node).isTop(next.id))
    expect(holderAt(node).isTop(universe.root.id)).toBe(false)
    for (const { identity } of all) expect(holderAt(node).isMember(identity.id, Date.now())).toBe(true)
  }

  universe.access.reconsider()
  await expect(rotate(founder, universe.root)).rejects.toMatchObject({ code: 'unauthenticated' })
  expect(await rotate(founder, next, universe.root.id)).toMatchObject({ to: next.id, changed: false, receipt: { seq: ended } })
  expect(endOf(founder, universe.root.id)).toBe(ended)

  expect(await admit(founder)).toMatchObject({ author: next.id, seq: 1 })
  await expect(admit(other)).rejects.toMatchObject({ code: 'forbidden' })
  expect(await rotate(founder, next, next.id)).toMatchObject({ from: next.id, changed: true })
  await untilEqual(all)
  expect(all.map(({ service }) => service.status().frozen)).toEqual([[], [], []])
})

// Simulator, seed 9124: it was refused, "its author has given on its key already".
it('what the root writes while its key is given on is written by the next one', async () => {
  let isSlow = false
  const { promise: room, resolve: makeRoom } = Promise.withResolvers<void>()
  const storage = storageThat(async (write) => {
    if (isSlow) await room
    await write()
  })
  const disk = new KeyDisk(universe.root)
  const [founder] = (await founded(disk, storage)) as [CatalogNode]
  await admit(founder)
  const feed = proveFeed(universe.root, universeId(universe.universe), universe.root.id)
  const isWriting = () => founder.service.guard.answer(feed, universe.root.id, { instance: 'asks', leaseMs: 0 }).doubt !== null
  isSlow = true
  const rotated = rotate(founder, universe.root)
  await until(isWriting)
  const admitted = admit(founder)
  await new Promise((resolve) => void setImmediate(resolve))
  makeRoom()
  const { to } = await rotated
  expect(await admitted).toMatchObject({ author: to, seq: 1 })
})

it('who is not the root, shows no such token, or asks a node without the key, is refused; nothing is made', async () => {
  const disk = new KeyDisk(universe.root)
  const [founder, other] = (await founded(disk)) as [CatalogNode, CatalogNode]
  const options = { ack: 'accepted', timeoutMs: 1000 } as const
  const narrow = await issueToken(universe.root, 'ada', [{ can: ['admin'], namespaces: ['demo'] }], Date.now() + 60_000)
  const ask = (token?: string) =>
    founder.service.succession.rotate({ ...options, caller: { subject: 'ada', ...(token === undefined ? {} : { token }) } })
  await expect(ask()).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(ask(narrow)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(rotate(founder, other.identity)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(rotate(other, universe.root)).rejects.toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('does not hold it'),
  })
  await expect(rotate(founder, universe.root, createIdentity().id)).rejects.toMatchObject({ code: 'conflict' })
  expect(disk.waiting).toBeUndefined()
})

it('killed before it signs: the key that was saved is the next one; killed after it: the next start puts it in its place', async () => {
  const disk = new KeyDisk(universe.root)
  const [founder] = (await founded(disk)) as [CatalogNode]
  const before = endOf(founder, universe.root.id)
  disk.saving = () => new Promise(() => {})
  const lost = rotate(founder, universe.root)
  await until(() => disk.waiting !== undefined)
  const saved = disk.waiting as Identity
  await founder.stop()
  void lost.catch(() => {})
  disk.saving = async () => {}
  const { storage, artifacts } = founder
  const start = () =>
    universe.node('founder', { isFounder: true, rootKeys: disk.open(), storage, artifacts, seed: founder.identity.seed, isNew: false })
  const again = await start()
  universe.access.follow(again.service)
  await untilMembers([again], 2)
  expect([disk.waiting?.id, endOf(again, universe.root.id), holderAt(again).isTop(universe.root.id)]).toEqual([saved.id, before, true])

  const [asked, answered] = [disk.open(), disk.waiting]
  const moved = disk.held.length
  expect(await rotate(again, universe.root)).toMatchObject({ to: saved.id, changed: true })
  expect(asked.held.at(-1)?.id).toBe(answered?.id)
  // As if the process had ended between the entry and the new name of its file.
  disk.held.length = moved
  disk.waiting = saved
  await again.stop()
  const third = await start()
  universe.access.follow(third.service)
  expect([disk.waiting, disk.held.at(-1)?.id]).toEqual([undefined, saved.id])
  await untilMembers([third], 2)
  expect(await admit(third)).toMatchObject({ author: saved.id, seq: 1 })
})

it('two rotations at once on one node: one is told, and nothing of the root is written behind the other', async () => {
  const disk = new KeyDisk(universe.root)
  const all = await founded(disk)
  const [founder] = all as [CatalogNode]
  await admit(founder)
  const caller = { subject: 'boss', token: await tokenOf(universe.root) }
  await universe.access.principalOf(caller)
  const ask = () => founder.service.succession.rotate({ caller, ack: 'committed', timeoutMs: 3000 })
  const answers = await Promise.allSettled([ask(), ask(), admit(founder), admit(founder)])
  const codes = answers.map((each) => (each.status === 'fulfilled' ? 'done' : (each.reason as OsirisError).code))
  expect(codes.slice(0, 2).toSorted()).toEqual(['conflict', 'done'])
  await untilEqual(all)
  expect((await founder.service.conflicts()).voided).toEqual([])
  expect(all.map(({ service }) => service.status().frozen)).toEqual([[], [], []])
})

it('two machines with the root key that rotate at once: one does, the other is told, and nobody forks', async () => {
  const [disk, copy] = [new KeyDisk(universe.root), new KeyDisk(universe.root)]
  const [founder, b, c] = (await founded(disk)) as [CatalogNode, CatalogNode, CatalogNode]
  const other = await universe.node('other', { rootKeys: copy.open() })
  const all = [founder, b, c, other]
  await untilMembers(all, 3)
  await untilEqual(all)
  const answers = await Promise.allSettled([rotate(founder, universe.root), rotate(other, universe.root)])
  const told = answers.flatMap((each) => (each.status === 'rejected' ? [(each.reason as OsirisError).code] : []))
  expect([answers.filter(({ status }) => status === 'fulfilled').length, ['conflict', 'unavailable'].includes(told[0] ?? '')]).toEqual([
    1,
    true,
  ])
  await untilEqual(all)
  expect(all.map(({ service }) => [service.status().frozen, service.refusals().fork ?? 0])).toEqual(all.map(() => [[], 0]))
})

it('a host with the key that ended, which has not heard of it, is told how far its feed goes, and not that nobody knows', async () => {
  const disk = new KeyDisk(universe.root)
  const [founder, other] = (await founded(disk)) as [CatalogNode, CatalogNode]
  const { receipt } = await rotate(founder, universe.root)
  await until(() => endOf(other, universe.root.id) === receipt.seq)
  const late = createIdentity().id
  const feed = proveFeed(universe.root, universeId(universe.universe), late)
  for (const { service } of [founder, other])
    expect(service.guard.answer(feed, late, { instance: 'late', leaseMs: 0 })).toMatchObject({ seq: receipt.seq, hash: receipt.hash })
})

it('a thief who rotates first: the owner is told to recover, and writes nothing', async () => {
  const [disk, stolen] = [new KeyDisk(universe.root), new KeyDisk(universe.root)]
  const [founder] = (await founded(disk)) as [CatalogNode]
  const thief = await universe.node('thief', { rootKeys: stolen.open() })
  await untilMembers([founder, thief], 3)
  await untilEqual([founder, thief])
  const { to } = await rotate(thief, universe.root)
  await until(() => holderAt(founder).isTop(to))
  const end = endOf(founder, universe.root.id)
  universe.access.reconsider()
  await expect(rotate(founder, stolen.held.at(-1) as Identity)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(new RegExp(`given on to ${to}.*osiris key recover`)),
  })
  await expect(admit(founder)).rejects.toMatchObject({ code: 'forbidden' })
  expect([endOf(founder, universe.root.id), disk.waiting]).toEqual([end, undefined])
})

it(
  'cut off from most of the others: refused, and no key is made, whether or not it has written before; the side with most of them rotates',
  { timeout: 60_000 },
  async () => {
    const [disk, copy] = [new KeyDisk(universe.root), new KeyDisk(universe.root)]
    const limits = { consultMs: 300 }
    const founder = await universe.node('founder', { isFounder: true, rootKeys: disk.open(), limits })
    const others = [await universe.node('b', { rootKeys: copy.open(), limits }), await universe.node('c')]
    const all = [founder, ...others]
    await untilMembers(all, 2)
    universe.access.follow(founder.service)
    const { manifest, artifact } = aFunction('greet')
    await others[0]?.service.publish(manifest, artifact, await universe.options())
    await untilEqual(all)
    await founder.stop()
    const { storage, artifacts, identity } = founder
    universe.mesh.partition(['founder'], ['b', 'c'])
    const options = { isFounder: true, rootKeys: disk.open(), storage, artifacts, seed: identity.seed, isNew: false, limits }
    const alone = await universe.node('founder', options)
    universe.access.follow(alone.service)
    await expect(rotate(alone, universe.root)).rejects.toMatchObject({ code: 'unavailable' })
    universe.mesh.heal()
    await until(() => [alone, ...others].every(({ network }) => network.members.withRole('catalog').length === 2), 20_000)
    await admit(alone)
    await untilEqual([alone, ...others])
    universe.mesh.partition(['founder'], ['b', 'c'])
    await until(() => alone.network.members.withRole('catalog').length === 0, 20_000)
    await expect(rotate(alone, universe.root)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('1 of 3') })
    expect(disk.waiting).toBeUndefined()
    await expect(rotate(others[0] as CatalogNode, universe.root)).resolves.toMatchObject({ changed: true })
    const next = copy.held.at(-1) as Identity
    universe.mesh.heal()
    for (const node of [alone, ...others]) await until(() => holderAt(node).isTop(next.id), 20_000)
    await untilEqual([alone, ...others])
    expect([alone, ...others].map(({ service }) => service.status().frozen)).toEqual([[], [], []])
  },
)

it('what the old key signs behind its rotation is refused at every door, and counted', async () => {
  const disk = new KeyDisk(universe.root)
  const all = await founded(disk)
  const [founder, other] = all as [CatalogNode, CatalogNode]
  await rotate(founder, universe.root)
  const last = openEntry(
    (await founder.service.entries([{ author: universe.root.id, from: endOf(founder, universe.root.id) }], 65_536))[0] as Uint8Array,
  )
  const later = signEntry(universe.root, {
    ...{ format: 1, universe: last.universe, author: last.author, seq: last.seq + 1, prev: last.hash },
    ...{ hlc: { wallMs: last.hlc.wallMs, counter: last.hlc.counter + 1 }, type: 'admit', by: 'root', grant: null },
    body: { member: createIdentity().id, name: 'late', roles: ['catalog'], grants: [], expiresAtMs: null },
  })
  for (const { service } of [founder, other]) {
    await expect(service.accept('', later.bytes)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(service.refusals()).toMatchObject({ authority: 1 })
  }
})

it('a rotation that does not get to the disk changes nothing: the old key goes on, and the same new one is used later', async () => {
  const disk = new KeyDisk(universe.root)
  let full = false
  const storage = storageThat(async (write) => {
    if (full) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    await write()
  })
  const [founder] = (await founded(disk, storage)) as [CatalogNode]
  await admit(founder)
  full = true
  await expect(rotate(founder, universe.root)).rejects.toMatchObject({ code: 'storage_full' })
  const made = disk.waiting as Identity
  full = false
  const seq = endOf(founder, universe.root.id)
  for (const more of [1, 2]) expect(await admit(founder)).toMatchObject({ author: universe.root.id, seq: seq + more })
  expect(await rotate(founder, universe.root)).toMatchObject({ to: made.id })
})

it('a key that took over is not put on a node that has nowhere to keep it', async () => {
  const [founder] = (await founded(new KeyDisk(universe.root))) as [CatalogNode]
  await founder.stop()
  const { storage, artifacts, identity } = founder
  const options = { storage, artifacts, seed: identity.seed, isFounder: true, rootKeys: fixedRootKeys(universe.root) }
  const again = await universe.node('founder', options)
  universe.access.follow(again.service)
  await untilMembers([again], 2)
  await expect(rotate(again, universe.root)).rejects.toMatchObject({ code: 'unavailable' })
  await admit(again)
})
