/** Asynchronous calls over several routers in virtual time: accepted, asked about anywhere, cancelled, lost routers survived, callbacks made. */
import { afterAll, describe, expect, it } from 'vitest'
import { createIdentity, issueToken } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { failed, type Caller, type Invocation, NO_TIMING, type Outcome } from '#protocols/invocation'
import { arrangeCrypto, Dice } from '#protocols/simulation'
import { type Node, QueueWorld, waitFor } from '../queue/queue.world.ts'
import { accessOf, callerWith, callOf, demoCatalog } from '../router.world.ts'
import { RouterService } from '../service.ts'
import { callbackKeyOf, signatureOf } from './callbacks.ts'
import { CALL_BYTES_MAX, type CallStatus, type NewCall } from './calls.ts'
import { CallsClient } from './client.ts'
import { serveCalls } from './serve.ts'
import { CallsService } from './service.ts'

interface Told {
  url: string
  headers: Record<string, string>
  body: Buffer
}

class CallsWorld extends QueueWorld {
  readonly calls = new Map<string, CallsService>()
  readonly started: { node: string; id: string; name: string }[] = []
  readonly told: Told[] = []
  /** What URLs answer. */
  status: () => number = () => 204
  /** Instead of echoing the arguments. */
  behave: (invocation: Invocation, node: string) => Promise<Outcome> = async ({ payload }) =>
    valueOf(payload.kind === 'call' ? payload.args : new Uint8Array())
  readonly #dice = new Dice(99)

  constructor() {
    super()
    this.onStart = (node) => this.#build(node)
  }

  #build(node: Node) {
    const { name, network, queue, clock } = node
    const access = accessOf()
    const executor = undefined
    const catalog = demoCatalog()
    const remote = { at: () => ({ invoke: async () => failed(new OsirisError('internal', 'nobody')) }) }
    const { random } = this.#dice.fork(name)
    const init = {
      executor,
      remote,
      catalog,
      access,
      clock,
      random,
      members: network.members,
      peer: network.peer,
      events: { emit() {}, has: () => false, on: () => () => {} },
    }
    const real = new RouterService(init)
    const invoke = async (invocation: Invocation): Promise<Outcome> => {
      const target = invocation.target as { name: string }
      this.started.push({ node: name, id: invocation.id, name: target.name })
      return this.behave(invocation, name)
    }
    const outside = {
      judge: (url: string) => {
        if (!URL.canParse(url)) throw new OsirisError('invalid_argument', 'Cannot post: it is not a URL')
        if (url.includes('127.0.0.1')) throw new OsirisError('egress_denied', 'Cannot post: a private address')
      },
      post: async (url: string, headers: [string, string][], body: Uint8Array) => {
        this.told.push({ url, headers: Object.fromEntries(headers), body: Buffer.from(body) })
        return this.status()
      },
    }
    const randomBytes = (length: number) => this.#dice.bytes(length)
    const router = { invoke, admit: (invocation: Invocation) => real.admit(invocation) }
    const calls = new CallsService({ queue, router, access, outside, clock, random, randomBytes })
    this.calls.set(name, calls)
    serveCalls(network, calls)
    return calls
  }

  at(name: string): CallsService {
    return this.calls.get(name) as CallsService
  }
}

function valueOf(value: Uint8Array): Outcome {
  return { kind: 'value', value, meta: { version: 'v'.repeat(64), node: 'n', hops: 0, timing: NO_TIMING } }
}

async function worldOf(...names: string[]): Promise<CallsWorld> {
  const world = new CallsWorld()
  await world.start(...names)
  return world
}

// Tokens are verified at once: another thread knows nothing of virtual time.
afterAll(arrangeCrypto())

const ADA = await callerWith('demo')
const STRANGER: Caller = { subject: 'anonymous' }
const call = (name: string, { callback, ...parts }: Partial<Invocation> & { callback?: string } = {}): NewCall => ({
  invocation: callOf(name, { payload: { kind: 'call', args: Buffer.from('["Ada", 12345678901234567890]') }, caller: ADA, ...parts }),
  ...(callback === undefined ? {} : { callback }),
})
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: OsirisError) => error.code,
  )
const isOver = ({ state }: CallStatus) => state === 'done' || state === 'cancelled'

async function settled(world: CallsWorld, at: string, id: string, caller = ADA): Promise<CallStatus> {
  for (let round = 0; round < 100; round += 1) {
    const status = await world.end(world.at(at).get(id, caller))
    if (isOver(status)) return status
    await world.run(500)
  }
  throw new Error('never over')
}

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
  })
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

  it.each([
    ['no URL', { callback: 'nowhere' }, 'invalid_argument'],
    ['a long URL', { callback: `https://example.org/${'x'.repeat(3000)}` }, 'invalid_argument'],
    ['a private address', { callback: 'http://127.0.0.1:9/' }, 'egress_denied'],
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
