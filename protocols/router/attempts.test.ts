import { describe, expect, test } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { failed, type Invocation } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { homeOf, seedOf } from './placement.ts'
import { accessOf, callOf, demoCatalog, FakeCatalog, FakeExecutor, FakeMembers, requestOf, versionFor } from './router.world.ts'
import { RouterService } from './service.ts'

const PEERS = ['executor-1', 'executor-2', 'executor-3']

function world(init: { local?: FakeExecutor; remotes?: string[]; catalog?: FakeCatalog } = {}) {
  const starts = init.local?.starts ?? new Map<string, number>()
  const remotes = (init.remotes ?? PEERS).map((name) => new FakeExecutor(name, starts))
  const members = new FakeMembers()
  const present = (loads: Record<string, number> = {}, warm: Record<string, string[]> = {}) =>
    members.set(...remotes.map(({ name }) => ({ peer: name, name, inFlight: loads[name] ?? 0, warm: warm[name] ?? [] })))
  present()
  const asked: string[] = []
  const events = createEvents()
  const router = new RouterService({
    catalog:
      init.catalog ?? demoCatalog().add('demo', 'public', { access: 'public' }).add('demo', 'idem', { access: 'public', idempotent: true }),
    executor: init.local,
    remote: {
      at(peer) {
        asked.push(peer)
        return remotes.find((each) => each.name === peer) as FakeExecutor
      },
    },
    members,
    access: accessOf(),
    clock: systemClock,
    random: Math.random,
    events,
    peer: 'here',
  })
  const invoke = (name: string, parts: Partial<Invocation> = {}) => router.invoke(callOf(name, parts))
  return { router, remotes, members, present, asked, starts, events, invoke }
}
const homeAmong = (name: string, peers: string[]) =>
  homeOf(
    versionFor(name),
    peers.map((peer) => ({ peer, seed: seedOf(peer) })),
  )?.peer
const error = (code: ConstructorParameters<typeof OsirisError>[0]) => new OsirisError(code, `Cannot run: ${code}`)

describe('placement of calls', () => {
  test('calls go to the version’s home while it has room', async () => {
    const { asked, invoke } = world()
    for (let call = 0; call < 10; call++) await invoke('public')
    expect(new Set(asked)).toEqual(new Set([homeAmong('public', PEERS)]))
  })
  test('a full home overflows to members with room', async () => {
    const { asked, present, invoke } = world()
    const home = homeAmong('public', PEERS) as string
    present({ [home]: 10 })
    for (let call = 0; call < 20; call++) await invoke('public')
    expect(asked).not.toContain(home)
    expect(new Set(asked).size).toBe(2)
  })
  test('a version that may have one instance is asked of its home only, however full that is', async () => {
    const catalog = demoCatalog().add('demo', 'single', { access: 'public', scale: { max: 1 } })
    const { asked, present, invoke } = world({ catalog })
    const home = homeAmong('single', PEERS) as string
    present({ [home]: 10 })
    for (let call = 0; call < 20; call++) await invoke('single')
    expect(new Set(asked)).toEqual(new Set([home]))
  })
  test('members that have instances share the calls beyond the target of one', async () => {
    const catalog = demoCatalog().add('demo', 'wide', { access: 'public', scale: { target: 2 } })
    const { remotes, asked, present, invoke } = world({ catalog })
    const prefix = versionFor('wide').slice(0, 16)
    present({}, { 'executor-1': [prefix], 'executor-3': [prefix] })
    const gate = Promise.withResolvers<void>()
    for (const each of remotes)
      each.behave = async (_, meta) => {
        await gate.promise
        return { kind: 'value', value: new Uint8Array(), meta }
      }
    const running = Array.from({ length: 12 }, () => invoke('wide'))
    await expect.poll(() => asked.length).toBe(12)
    expect(asked).not.toContain('executor-2')
    const [one, three] = ['executor-1', 'executor-3'].map((name) => asked.filter((each) => each === name).length) as [number, number]
    expect(Math.min(one, three)).toBeGreaterThanOrEqual(4)
    gate.resolve()
    await Promise.all(running)
  })
  test('calls that this router has under way count before any beat tells of them', async () => {
    const { remotes, asked, invoke } = world()
    const gate = Promise.withResolvers<void>()
    for (const each of remotes)
      each.behave = async (_, meta) => {
        await gate.promise
        return { kind: 'value', value: new Uint8Array(), meta }
      }
    const running = Array.from({ length: 15 }, () => invoke('public'))
    await expect.poll(() => asked.length).toBe(15)
    const home = homeAmong('public', PEERS)
    expect(asked.filter((each) => each === home)).toHaveLength(10)
    gate.resolve()
    await Promise.all(running)
  })
  test('a warm executor on this node is used whoever the home is; a full one is not', async () => {
    const local = new FakeExecutor('local')
    const { asked, invoke } = world({ local })
    local.warm.add(versionFor('public'))
    expect(await invoke('public')).toMatchObject({ meta: { node: 'local' } })
    expect(asked).toEqual([])
    const full = new FakeExecutor('local')
    full.warm.add(versionFor('public'))
    full.inFlight = full.capacity
    expect(await world({ local: full }).invoke('public')).toMatchObject({ meta: { node: expect.stringMatching(/^executor/) } })
  })
  test('alone, this node runs everything', async () => {
    const local = new FakeExecutor('local')
    expect(await world({ local, remotes: [] }).invoke('public')).toMatchObject({ meta: { node: 'local' } })
  })
  test('with no executor anywhere the sentence says how many members there are', async () => {
    const outcome = await world({ remotes: [] }).invoke('public')
    expect(outcome).toMatchObject({ kind: 'failed', started: false, error: { code: 'unavailable' } })
    expect((outcome as { error: Error }).error.message).toBe('Cannot place "demo/public": no member runs executor (members: 1)')
  })
  test('a function that asks for labels or a region runs where they are, and nowhere else', async () => {
    const catalog = new FakeCatalog().add('demo', 'gpu', { access: 'public', place: { labels: { gpu: true }, regions: ['eu', 'us'] } })
    const local = new FakeExecutor('local')
    local.warm.add(versionFor('gpu'))
    const { members, asked, invoke } = world({ catalog, local })
    const traits = [{ labels: { gpu: 'true' }, region: 'asia' }, { labels: { gpu: 'true' }, region: 'us' }, { region: 'eu' }]
    members.set(...PEERS.map((peer, index) => ({ peer, name: peer, ...traits[index] })))
    for (let call = 0; call < 5; call++) expect(await invoke('gpu')).toMatchObject({ kind: 'value' })
    expect(new Set(asked)).toEqual(new Set(['executor-2']))
  })
  test('where nobody has what it asks for, the sentence says what is missing', async () => {
    const catalog = new FakeCatalog()
      .add('demo', 'gpu', { access: 'public', place: { labels: { gpu: true, disk: 'ssd' } } })
      .add('demo', 'moon', { access: 'public', place: { regions: ['moon'] } })
      .add('demo', 'both', { access: 'public', place: { labels: { disk: 'ssd' }, regions: ['eu'] } })
    const { members, invoke } = world({ catalog })
    members.set({ peer: 'executor-1', labels: { disk: 'ssd' } }, { peer: 'executor-2', region: 'eu' })
    const sentence = async (name: string) => {
      const outcome = await invoke(name)
      expect(outcome).toMatchObject({ kind: 'failed', started: false, error: { code: 'unavailable' } })
      return (outcome as { error: Error }).error.message
    }
    expect(await sentence('gpu')).toBe('Cannot place "demo/gpu": no member has the label gpu=true (executors: 2)')
    expect(await sentence('moon')).toBe('Cannot place "demo/moon": no member is in the region moon (executors: 2)')
    expect(await sentence('both')).toBe('Cannot place "demo/both": no member has all of disk=ssd, region eu (executors: 2)')
  })
  test('an alias with weights sends each call to one of its versions', async () => {
    const [old, fresh] = [versionFor('old'), versionFor('fresh')]
    const live = [
      { version: old, weight: 80 },
      { version: fresh, weight: 20 },
    ]
    const catalog = new FakeCatalog()
    for (const version of [old, fresh]) catalog.add('demo', 'split', { access: 'public' }, { live }, version)
    const { invoke } = world({ catalog })
    const outcomes = await Promise.all(Array.from({ length: 500 }, () => invoke('split')))
    const share = outcomes.filter((each) => each.meta.version === fresh).length / 500
    expect(share).toBeGreaterThan(0.1)
    expect(share).toBeLessThan(0.3)
  })
})

describe('attempts', () => {
  test.each(['unavailable', 'overloaded', 'version_mismatch', 'not_found', 'worker_crashed'] as const)(
    'a member that answers %s before the start is followed by another',
    async (code) => {
      const { remotes, asked, starts, invoke } = world()
      const home = homeAmong('public', PEERS)
      for (const each of remotes) if (each.name === home) each.refuse = () => error(code)
      expect(await invoke('public')).toMatchObject({ kind: 'value' })
      expect(asked).toHaveLength(2)
      expect([...starts.values()]).toEqual([1])
    },
  )
  test('three members are asked, no more, and none twice', async () => {
    const { remotes, asked, invoke } = world({ remotes: ['a', 'b', 'c', 'd', 'e'] })
    for (const each of remotes) each.refuse = () => error('overloaded')
    expect(await invoke('public')).toMatchObject({ error: { code: 'overloaded' }, started: false })
    expect(asked).toHaveLength(3)
    expect(new Set(asked).size).toBe(3)
  })
  test.each(['outcome_unknown', 'worker_crashed', 'function_failed', 'memory_exceeded', 'deadline_exceeded', 'unavailable'] as const)(
    'a call that ended in %s after its start is not started again',
    async (code) => {
      const { remotes, starts, invoke } = world()
      for (const each of remotes) each.behave = (_, meta) => Promise.resolve(failed(error(code), meta, true))
      expect(await invoke('public')).toMatchObject({ error: { code }, started: true })
      expect([...starts.values()]).toEqual([1])
    },
  )
  test('an idempotent call whose effect is unknown is started once more, elsewhere', async () => {
    const { remotes, asked, starts, invoke } = world()
    for (const each of remotes) each.behave = (_, meta) => Promise.resolve(failed(error('outcome_unknown'), meta, true))
    expect(await invoke('idem')).toMatchObject({ error: { code: 'outcome_unknown' } })
    expect([...starts.values()]).toEqual([2])
    expect(new Set(asked).size).toBe(2)
  })
  test('an idempotent call that was started and then refused elsewhere is not told to have never started', async () => {
    const { remotes, invoke } = world()
    let attempts = 0
    for (const each of remotes) {
      each.refuse = () => (++attempts > 1 ? error('not_found') : undefined)
      each.behave = async (_, meta) => failed(error('worker_crashed'), meta, true)
    }
    expect(await invoke('idem')).toMatchObject({ kind: 'failed', started: true, error: { code: 'worker_crashed' } })
    expect(attempts).toBeGreaterThan(1)
  })
  test('an idempotent call that the function itself failed is not started again', async () => {
    const { remotes, starts, invoke } = world()
    for (const each of remotes) each.behave = (_, meta) => Promise.resolve(failed(error('function_failed'), meta, true))
    await invoke('idem')
    expect([...starts.values()]).toEqual([1])
  })
  test('a member that could not be reached is passed over for a while, and that is said once', async () => {
    const { remotes, asked, events, invoke } = world()
    const lines: string[] = []
    events.on('log', ({ text }) => lines.push(text))
    const home = homeAmong('public', PEERS)
    for (const each of remotes) if (each.name === home) each.refuse = () => error('unavailable')
    for (let call = 0; call < 5; call++) await invoke('public')
    expect(asked.filter((each) => each === home)).toHaveLength(1)
    expect(lines).toEqual([`Passing over executor "${home}" for a while: Cannot run: unavailable`])
  })
  test('a refusal by this node’s own executor goes to a member', async () => {
    const local = new FakeExecutor('local')
    local.warm.add(versionFor('public'))
    local.refuse = () => error('overloaded')
    expect(await world({ local }).invoke('public')).toMatchObject({ meta: { node: expect.stringMatching(/^executor/) } })
  })
  test('a member that never answers costs the deadline and at most a second', async () => {
    const { remotes, invoke } = world()
    for (const each of remotes) each.behave = () => new Promise(() => {})
    const startedAt = systemClock.monotonic()
    expect(await invoke('public', { deadlineAt: startedAt + 100 })).toMatchObject({ error: { code: 'outcome_unknown' }, started: true })
    expect(systemClock.monotonic() - startedAt).toBeLessThan(1100)
  })
  test('a catalog that never answers costs the deadline', async () => {
    const catalog = new FakeCatalog()
    catalog.get = () => new Promise<never>(() => {})
    const startedAt = systemClock.monotonic()
    const outcome = await world({ catalog }).invoke('public', { deadlineAt: startedAt + 80 })
    expect(outcome).toMatchObject({ error: { code: 'deadline_exceeded' }, started: false })
    expect(systemClock.monotonic() - startedAt).toBeLessThan(500)
  })
  test('a streamed body is given to the second member from its beginning', async () => {
    const { remotes, invoke } = world()
    const home = homeAmong('site', PEERS)
    for (const each of remotes)
      if (each.name === home)
        each.refuse = ({ payload }) => {
          if (payload.kind === 'fetch' && payload.body !== undefined)
            void (payload.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().next()
          return error('overloaded')
        }
    const body = (async function* () {
      yield Buffer.from('hello ')
      yield Buffer.from('world')
    })()
    const outcome = await invoke('', requestOf('POST', 'http://shop.example.org/items/1', { body }))
    expect(outcome).toMatchObject({ kind: 'response' })
    const chunks: Uint8Array[] = []
    for await (const chunk of (outcome as { body: AsyncIterable<Uint8Array> }).body) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('hello world')
  })
  test('nothing is tried again for a caller who has left', async () => {
    const { remotes, asked, invoke } = world()
    const abort = new AbortController()
    for (const each of remotes)
      each.refuse = () => {
        abort.abort()
        return error('overloaded')
      }
    await invoke('public', { signal: abort.signal })
    expect(asked).toHaveLength(1)
  })
})
