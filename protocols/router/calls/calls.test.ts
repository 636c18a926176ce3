/** Asynchronous calls over several routers in virtual time: accepted, asked about anywhere, cancelled, lost routers survived. */
import { afterAll, describe, expect, it } from 'vitest'
import { createIdentity, issueToken } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { failed, type Caller, type Invocation } from '#protocols/invocation'
import { arrangeCrypto } from '#protocols/simulation'
import { waitFor } from '../queue/queue.world.ts'
import { callerWith } from '../router.world.ts'
import { CALL_BYTES_MAX, type CallStatus } from './calls.ts'
import { ADA, call, codeOf, settled, STRANGER, valueOf, worldOf } from './calls.world.ts'
import { CallsClient } from './client.ts'

// Tokens are verified at once: another thread knows nothing of virtual time.
afterAll(arrangeCrypto())

describe('a call', () => {
  it('is accepted, runs, and is asked about on any router', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    const { id } = await world.end(world.at('a').submit(call('greet')))
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    await world.run(1000)
    for (const name of ['a', 'b', 'c', 'd']) {
      expect(await world.end(world.at(name).get(id, ADA))).toMatchObject({
        ...{ id, function: 'demo/greet', state: 'done', attempts: 1, version: 'v'.repeat(64), node: 'n' },
        value: '["Ada", 12345678901234567890]',
      })
    }
    expect(world.started).toHaveLength(1)
    // Whoever reads logs does not learn the id that opens what came of it.
    expect(world.started[0]?.id).not.toBe(id)
  })

  it('through a node that is no router is the same', async () => {
    const world = await worldOf('a', 'b', 'c')
    const network = world.mesh.network({ name: 'client' })
    await world.end(network.start())
    await world.run(3000)
    const client = new CallsClient({ network, random: Math.random })
    const { id } = await world.end(client.submit(call('greet')))
    await world.run(1000)
    expect(await world.end(client.get(id, ADA))).toMatchObject({ state: 'done', value: '["Ada", 12345678901234567890]' })
    expect((await world.end(client.list('demo', 10, ADA))).map((each) => each.id)).toEqual([id])
    expect(await world.end(client.cancel(id, ADA))).toMatchObject({ state: 'done' })
    expect(await world.end(codeOf(client.get(id, STRANGER)))).toBe('unauthenticated')
  })

  it('is waited for: the answer comes with its end, or when the time is over, whoever is asked', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    const network = world.mesh.network({ name: 'client' })
    await world.end(network.start())
    await world.run(3000)
    const client = new CallsClient({ network, random: () => 0.5 })
    world.behave = async () => {
      await new Promise<void>((resolve) => world.node('a').clock.after(5000, resolve))
      return valueOf(Buffer.from('1'))
    }
    const { id } = await world.end(world.at('a').submit(call('greet')))
    const startedAt = world.now
    const after = async (asked: Promise<CallStatus>) => [(await world.end(asked)).state, Math.round((world.now - startedAt) / 1000)]
    const waits = ['a', 'b', 'c', 'd'].map((name) => after(world.at(name).get(id, ADA, { waitMs: 20_000 })))
    expect(await after(world.at('a').get(id, ADA, { waitMs: 2000 }))).toEqual(['running', 2])
    const gone = new AbortController()
    const left = after(world.at('d').get(id, ADA, { waitMs: 20_000, signal: gone.signal }))
    gone.abort()
    expect(await left).toEqual(['running', 2])
    expect((await after(client.get(id, ADA, { waitMs: 20_000 })))[0]).toBe('done')
    for (const each of await Promise.all(waits)) {
      expect(each[0]).toBe('done')
      expect(each[1]).toBeLessThanOrEqual(6)
    }
    expect(await after(world.at('a').get(id, ADA, { waitMs: 20_000 }))).toEqual(['done', Math.round((world.now - startedAt) / 1000)])
    expect(await world.end(codeOf(world.at('a').get(id, STRANGER, { waitMs: 20_000 })))).toBe('unauthenticated')
  })

  it('is listed with its attempts and its error, as it is told of', async () => {
    const world = await worldOf('a', 'b')
    let refusals = 0
    world.behave = async ({ target, signal }) => {
      const { name } = target as { name: string }
      if (name === 'throw') return failed(new OsirisError('function_failed', 'Cannot finish: it threw'), {}, true)
      if (name === 'hang') await waitFor(signal as AbortSignal).catch(() => {})
      if (name === 'hang') return failed(new OsirisError('deadline_exceeded', 'Cannot finish: the caller is gone'), {}, true)
      return (refusals += 1) < 3 ? failed(new OsirisError('overloaded', 'Cannot place: full')) : valueOf(Buffer.from('1'))
    }
    for (const name of ['throw', 'greet', 'hang']) await world.end(world.at('a').submit(call(name)))
    await world.run(10_000)
    for (const each of await world.end(world.at('b').list('demo', 10, ADA)))
      if (each.function === 'demo/hang') await world.end(world.at('b').cancel(each.id, ADA))
    await world.run(1000)
    const listed = await world.end(world.at('b').list('demo', 10, ADA))
    const told = await Promise.all(listed.map(({ id }) => world.end(world.at('b').get(id, ADA))))
    const summary = ({ function: name, state, attempts, error }: CallStatus) => [name, state, attempts, error?.code, error?.message]
    expect(listed.map(summary)).toEqual(told.map(summary))
    expect(listed.map(summary).toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual([
      ['demo/greet', 'done', 1, undefined, undefined],
      ['demo/hang', 'cancelled', 1, 'deadline_exceeded', 'Cannot finish: the caller is gone'],
      ['demo/throw', 'done', 1, 'function_failed', 'Cannot finish: it threw'],
    ])
  })

  it('of a web function keeps its response whole', async () => {
    const world = await worldOf('a')
    world.behave = async ({ payload }) => {
      const body = payload.kind === 'fetch' ? (payload.body as Uint8Array) : new Uint8Array()
      return { kind: 'response', status: 201, headers: [['x-a', 'b']], body, meta: valueOf(body).meta }
    }
    const payload: Invocation['payload'] = {
      kind: 'fetch',
      method: 'POST',
      url: 'http://x/items?a=1',
      headers: [],
      body: Buffer.from('hello'),
    }
    const { id } = await world.end(world.at('a').submit(call('site', { payload })))
    const { response } = await settled(world, 'a', id)
    expect(response).toEqual({ status: 201, headers: [['x-a', 'b']], body: Buffer.from('hello').toString('base64') })
  })

  it('that fails says how; one that meets no room is tried again until there is', async () => {
    const world = await worldOf('a')
    let refusals = 0
    world.behave = async ({ target }) => {
      if ((target as { name: string }).name === 'throw')
        return failed(new OsirisError('function_failed', 'Cannot finish: it threw'), {}, true)
      return (refusals += 1) < 20 ? failed(new OsirisError('overloaded', 'Cannot place: full')) : valueOf(Buffer.from('1'))
    }
    const { id } = await world.end(world.at('a').submit(call('throw')))
    expect(await settled(world, 'a', id)).toMatchObject({ state: 'done', error: { code: 'function_failed' } })
    const { id: patient } = await world.end(world.at('a').submit(call('greet')))
    await world.run(300_000)
    expect(await settled(world, 'a', patient)).toMatchObject({ state: 'done', value: '1', attempts: 1 })
  })

  it('that waits for room too long is over', async () => {
    const world = await worldOf('a')
    world.behave = async () => failed(new OsirisError('unavailable', 'Cannot place: nobody'))
    const { id } = await world.end(world.at('a').submit(call('greet')))
    await world.run(3_700_000)
    expect(await world.end(world.at('a').get(id, ADA))).toMatchObject({ state: 'done', error: { code: 'deadline_exceeded' }, attempts: 0 })
    await world.run(4_000_000)
    expect(await world.end(codeOf(world.at('a').get(id, ADA)))).toBe('not_found')
    // Two hours of everything that a mesh does.
  }, 60_000)
})

describe('who may', () => {
  it('ask: who may invoke in the namespace, and of a public function the stranger who has the id', async () => {
    const world = await worldOf('a', 'b')
    const { id } = await world.end(world.at('a').submit(call('greet')))
    const { id: open } = await world.end(world.at('a').submit(call('open', { caller: STRANGER })))
    const other = await callerWith('else')
    await world.run(1000)
    const ask = (which: string, caller: Caller) => world.end(codeOf(world.at('b').get(which, caller)))
    expect([await ask(id, ADA), await ask(id, other), await ask(id, STRANGER)]).toEqual(['ok', 'forbidden', 'unauthenticated'])
    expect([await ask(open, ADA), await ask(open, STRANGER)]).toEqual(['ok', 'ok'])
    expect(await world.end(codeOf(world.at('b').cancel(id, other)))).toBe('forbidden')
    expect(await world.end(codeOf(world.at('b').list('demo', 10, other)))).toBe('forbidden')
    expect([await ask('0'.repeat(32), ADA), await ask('no id', ADA)]).toEqual(['not_found', 'not_found'])
  })

  it('call: judged before it is accepted, and again when it runs', async () => {
    const world = await worldOf('a')
    expect(await world.end(codeOf(world.at('a').submit(call('greet', { caller: STRANGER }))))).toBe('unauthenticated')
    expect(await world.end(codeOf(world.at('a').submit(call('nothing'))))).toBe('not_found')
    const root = createIdentity()
    const wrong = { subject: 'eve', token: await issueToken(root, 'eve', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + 60_000) }
    expect(await world.end(codeOf(world.at('a').submit(call('greet', { caller: wrong }))))).toBe('unauthenticated')
    world.behave = async ({ caller }) => valueOf(Buffer.from(JSON.stringify(caller.token === ADA.token)))
    const { id } = await world.end(world.at('a').submit(call('greet')))
    expect(await settled(world, 'a', id)).toMatchObject({ value: 'true' })
  })

  it('hand in how much', async () => {
    const world = await worldOf('a')
    const payload = { kind: 'call', args: new Uint8Array(CALL_BYTES_MAX + 1) } as const
    expect(await world.end(codeOf(world.at('a').submit(call('greet', { payload }))))).toBe('payload_too_large')
    world.behave = async () => valueOf(new Uint8Array(CALL_BYTES_MAX + 1))
    const { id } = await world.end(world.at('a').submit(call('greet')))
    expect(await settled(world, 'a', id)).toMatchObject({ error: { code: 'result_too_large' } })
  })
})

describe('cancelled', () => {
  it('a queued call never begins, a running one is aborted, and a second time changes nothing', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    let aborted = 0
    world.behave = async (invocation) => {
      if ((invocation.target as { name: string }).name === 'throw') return failed(new OsirisError('overloaded', 'Cannot place: full'))
      await waitFor(invocation.signal as AbortSignal).catch(() => (aborted += 1))
      return failed(new OsirisError('deadline_exceeded', 'Cannot finish: the caller is gone'), {}, true)
    }
    const { id: queued } = await world.end(world.at('a').submit(call('throw')))
    const { id: running } = await world.end(world.at('a').submit(call('greet')))
    await world.run(200)
    expect(await world.end(world.at('d').cancel(queued, ADA))).toMatchObject({ state: 'cancelled' })
    const before = world.started.length
    await world.end(world.at('d').cancel(running, ADA))
    expect(await settled(world, 'b', running)).toMatchObject({ state: 'cancelled' })
    expect(await world.end(world.at('c').cancel(running, ADA))).toMatchObject({ state: 'cancelled' })
    expect(await world.end(world.at('c').cancel(queued, ADA))).toMatchObject({ state: 'cancelled' })
    await world.run(60_000)
    expect([aborted, world.started.length]).toEqual([1, before])
  })
})

describe('a router that took calls and is killed', () => {
  it('loses none of them: what had not begun runs elsewhere, what had is unknown, unless it is idempotent', async () => {
    const world = await worldOf('a', 'b', 'c')
    let isFull = true
    world.behave = async ({ target, signal }, node) => {
      const { name } = target as { name: string }
      if (name === 'open' && isFull) return failed(new OsirisError('overloaded', 'Cannot place: full'))
      return node === 'a' ? waitFor(signal as AbortSignal) : valueOf(Buffer.from('"elsewhere"'))
    }
    const [begun, again, queued] = await Promise.all(
      ['greet', 'again', 'open'].map((name) => world.end(world.at('a').submit(call(name))).then(({ id }) => id)),
    )
    await world.run(2000)
    await world.kill('a')
    isFull = false
    await world.run(40_000)
    expect(await settled(world, 'b', begun as string)).toMatchObject({ state: 'done', error: { code: 'outcome_unknown' } })
    expect(await settled(world, 'c', again as string)).toMatchObject({ state: 'done', value: '"elsewhere"' })
    expect(await settled(world, 'c', queued as string)).toMatchObject({ state: 'done', value: '"elsewhere"' })
    expect(world.started.filter(({ name }) => name === 'greet')).toHaveLength(1)
  })

  it('after they were done leaves what came of them to the others', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    const { id } = await world.end(world.at('a').submit(call('greet')))
    await world.run(1000)
    await world.kill('a')
    await world.run(6000)
    for (const name of ['b', 'c', 'd'])
      expect(await world.end(world.at(name).get(id, ADA))).toMatchObject({ state: 'done', value: expect.any(String) })
  })
})
