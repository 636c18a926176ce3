/** Callbacks of asynchronous calls in virtual time: made, tried again, given up, and decided about. */
import { afterAll, describe, expect, it } from 'vitest'
import { type Caller, NO_TIMING } from '#protocols/invocation'
import { arrangeCrypto } from '#protocols/simulation'
import { callerWith } from '../router.world.ts'
import { callbackKeyOf, signatureOf } from './callbacks.ts'
import { ADA, call, CallsWorld, codeOf, STRANGER, type Told, worldOf } from './calls.world.ts'
import { CallsClient } from './client.ts'

// Tokens are verified at once: another thread knows nothing of virtual time.
afterAll(arrangeCrypto())

describe('a callback', () => {
  const callback = 'https://example.org/hook'

  it('is told what came of the call, signed, until it takes it', async () => {
    const world = await worldOf('a', 'b', 'c')
    world.status = () => (world.told.length < 3 ? 500 : 204)
    const { id } = await world.end(world.at('a').submit(call('greet', { callback })))
    await world.run(60_000)
    expect(world.told).toHaveLength(3)
    const { url, headers, body } = world.told[2] as Told
    expect([url, headers['osiris-call']]).toEqual([callback, id])
    const status = await world.end(world.at('b').get(id, ADA))
    expect(JSON.parse(body.toString())).toMatchObject({ id, state: 'done', attempts: 1, value: ['Ada', expect.any(Number)] })
    expect(body.toString()).toContain(`"value":${status.value}`)
    const seconds = Number(/^t=(\d+),/.exec(headers['osiris-signature'] ?? '')?.[1])
    expect(headers['osiris-signature']).toBe(signatureOf(callbackKeyOf(ADA.token as string), body, seconds * 1000))
  })

  it('is told of a result that is too long for it, and where that is', async () => {
    const world = await worldOf('a')
    const meta = { version: 'v'.repeat(64), node: 'n', hops: 0, timing: NO_TIMING }
    world.behave = async () => ({ kind: 'response', status: 200, headers: [], body: new Uint8Array(3.5 * 1024 * 1024), meta })
    const { id } = await world.end(world.at('a').submit(call('greet', { callback })))
    await world.run(5000)
    expect(world.told).toHaveLength(1)
    const status = JSON.parse((world.told[0] as Told).body.toString()) as object
    expect(status).toMatchObject({ id, state: 'done', version: 'v'.repeat(64) })
    expect(status).not.toHaveProperty('response')
    expect((await world.end(world.at('a').get(id, ADA))).response?.body).toHaveLength(Math.ceil((3.5 * 1024 * 1024) / 3) * 4)
  })

  it('that cannot be noted is told of in the log, without the id of its call', async () => {
    const world = new CallsWorld()
    world.init = { bounds: { namespaceItems: 1 } }
    await world.start('a')
    const { id } = await world.end(world.at('a').submit(call('greet', { callback: `${callback}?secret` })))
    await world.run(5000)
    expect(await world.end(world.at('a').get(id, ADA))).toMatchObject({ state: 'done' })
    const said = world.logs.filter((text) => text.includes('Cannot tell https://example.org of a call of "demo/greet"'))
    expect([world.told.length, said.length]).toEqual([0, 1])
    expect(said[0]).not.toMatch(new RegExp(`${id}|secret`))
  })

  it('that is gone is a dead letter, one that does not take it is told less and less often', async () => {
    const world = await worldOf('a')
    world.status = () => (world.told[0]?.url.endsWith('gone') === true ? 410 : 500)
    await world.end(world.at('a').submit(call('greet', { callback: `${callback}/gone` })))
    await world.run(5000)
    const dead = async () => (await world.end(world.node('a').queue.list({ kind: 'callback', key: 'demo/', states: ['dead'] }))).length
    expect([await dead(), world.told.length]).toEqual([1, 1])
    world.told.length = 0
    await world.end(world.at('a').submit(call('greet', { callback })))
    const times: number[] = []
    world.status = () => (times.push(world.now), 500)
    await world.run(600_000)
    expect(times.length).toBeGreaterThan(7)
    expect(times.length).toBeLessThan(12)
    expect(await dead()).toBe(1)
  })

  it('that was given up is listed, made again and forgotten by whoever may deploy, through any router', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    const network = world.mesh.network({ name: 'client' })
    await world.end(network.start())
    await world.run(3000)
    const client = new CallsClient({ network, random: () => 0.5 })
    world.status = () => 410
    const secret = `${callback}?key=secret#part`
    const { id } = await world.end(world.at('a').submit(call('greet', { callback: secret })))
    await world.run(5000)
    const deployer = await callerWith('demo', 'deploy')
    const listed = (caller: Caller) => world.end(client.deadCallbacks('demo', 10, caller))
    const [dead] = await listed(ADA)
    expect(dead).toMatchObject({ id, function: 'demo/greet', url: callback, attempts: 1, error: { code: 'unavailable' } })
    const decide = (which: 'replay' | 'remove', of: string, caller: Caller) =>
      world.end(codeOf(world.at('d').decideCallback(which, of, caller)))
    expect(await codeOf(listed(STRANGER))).toBe('unauthenticated')
    expect([await decide('replay', id, ADA), await decide('remove', id, STRANGER)]).toEqual(['forbidden', 'unauthenticated'])
    expect([await decide('replay', '0'.repeat(32), deployer), await decide('remove', 'no id', deployer)]).toEqual([
      'not_found',
      'not_found',
    ])
    world.status = () => (world.told.length < 3 ? 410 : 204)
    expect(await world.end(codeOf(client.decideCallback('replay', id, deployer)))).toBe('ok')
    await world.run(5000)
    expect([world.told.length, (await listed(ADA)).length]).toEqual([2, 1])
    expect(world.told[1]?.url).toBe(secret)
    expect(await decide('replay', id, deployer)).toBe('ok')
    await world.run(5000)
    expect([world.told.length, await listed(ADA)]).toEqual([3, []])
    expect(await decide('remove', id, deployer)).toBe('not_found')
    world.status = () => 410
    const { id: second } = await world.end(world.at('b').submit(call('greet', { callback })))
    await world.run(5000)
    expect(await decide('remove', second, deployer)).toBe('ok')
    await world.run(100)
    expect(await listed(ADA)).toEqual([])
  })

  it.each([
    ['no URL', { callback: 'nowhere' }, 'invalid_argument'],
    ['a long URL', { callback: `https://example.org/${'x'.repeat(3000)}` }, 'invalid_argument'],
    ['a private address', { callback: 'http://127.0.0.1:9/' }, 'invalid_argument'],
    ['a stranger', { callback, caller: STRANGER }, 'unauthenticated'],
  ])('is refused for %s before the call is accepted', async (_what, parts, code) => {
    const world = await worldOf('a')
    expect(await world.end(codeOf(world.at('a').submit(call('open', parts))))).toBe(code)
    await world.run(1000)
    expect(world.started).toEqual([])
  })

  it('is refused for somebody who may call the public function and nothing else', async () => {
    const world = await worldOf('a')
    expect(await world.end(codeOf(world.at('a').submit(call('open', { callback, caller: await callerWith('else') }))))).toBe('forbidden')
  })
})
