/** Functions that call functions, on real workers: who is told to have called, how far a chain goes, and what ends with it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Access, createIdentity } from '#protocols/access'
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents, type EventMap } from '#protocols/events'
import { failed, type Invocation, isRouteTarget, type Outcome, type PlacedInvocation } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { MemoryMesh } from '#protocols/network'
import { until } from '#protocols/until'
import { ExecutorClient } from '../client.ts'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import { serveExecutor } from '../serve.ts'
import type { ExecutorService } from '../service.ts'

const world = new World()
const byName = new Map<string, FunctionRecord>()
const IMPORT = `import { call, caller } from 'osiris/function'\n`

function define(source: string, config = {}): FunctionRecord {
  const record = world.define(IMPORT + source, { config: { calls: ['demo/*'], ...config } })
  byName.set(record.name, record)
  return record
}

/** As a router places it: by name, one version. */
function placedOf(invocation: Invocation): PlacedInvocation {
  const { target } = invocation
  const record = isRouteTarget(target) ? undefined : byName.get(target.name)
  if (record === undefined || isRouteTarget(target)) throw new OsirisError('not_found', 'Cannot find it')
  return { ...invocation, target: { namespace: 'demo', name: record.name }, version: record.version }
}

describe('on one node', () => {
  const events = createEvents()
  const out: Invocation[] = []
  let executor: ExecutorService
  beforeAll(async () => {
    const callOut = (invocation: Invocation): Promise<Outcome> => {
      out.push(invocation)
      return executor.invoke(placedOf(invocation))
    }
    executor = serviceIn(world, { events, callOut, limits: { chainCallsMax: 40, instancesMax: 8 } })
    await executor.start()
  })
  afterAll(() => executor.stop())
  const run = (record: FunctionRecord, args: unknown[] = [], parts: Partial<Invocation> = {}) =>
    executor.invoke(callOf(record, args, parts))
  const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)
  const who = define('export default () => caller() ?? null')
  const through = define('export default async (name) => call(name)')
  const twice = define('export default async (by, name) => call(by, name)')

  test('a function learns who called it, from the platform, and nothing of calls from outside', async () => {
    expect(valueOf(await run(who))).toBeNull()
    expect(valueOf(await run(through, [`demo/${who.name}`]))).toEqual({ name: `demo/${through.name}`, path: [`demo/${through.name}`] })
    const path = [`demo/${twice.name}`, `demo/${through.name}`]
    expect(valueOf(await run(twice, [`demo/${through.name}`, `demo/${who.name}`]))).toEqual({ name: path[1], path })
    expect(valueOf(await run(who))).toBeNull()
  })

  test('calls that overlap in one instance each have their own caller', async () => {
    const slow = define(
      'export default async (n) => { const by = caller()?.name ?? null; await new Promise((done) => setTimeout(done, 20)); return [n, by] }',
    )
    const other = define('export default async (n) => call("demo/NAME", n)'.replace('NAME', slow.name))
    const outcomes = await Promise.all([run(slow, [0]), run(other, [1]), run(slow, [2]), run(other, [3])])
    expect(outcomes.map(valueOf)).toEqual([
      [0, null],
      [1, `demo/${other.name}`],
      [2, null],
      [3, `demo/${other.name}`],
    ])
  })

  test('its caller, trace and deadline go along; what it calls has no more time than it', async () => {
    out.length = 0
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const deadlineAt = systemClock.monotonic() + 3000
    const parts = { traceparent, deadlineAt, caller: { subject: 'ada', token: 'x.y.z' } }
    valueOf(await run(through, [`demo/${who.name}`], parts))
    expect(out[0]).toMatchObject({ traceparent, caller: parts.caller, depth: 1, hops: 0 })
    expect(out[0]?.deadlineAt).toBeLessThanOrEqual(deadlineAt + 1)
  })

  test('an error of another function keeps its code and its sentence, caught or not', async () => {
    const broken = define('export default () => { throw new Error("no sugar") }')
    const caught = define('export default async (name) => call(name).catch((error) => [error.code, error.message])')
    const sentence = `Cannot run "demo/${broken.name}": Error: no sugar`
    expect(valueOf(await run(caught, [`demo/${broken.name}`]))).toEqual(['function_failed', sentence])
    expect(await run(through, [`demo/${broken.name}`])).toMatchObject({ error: { code: 'function_failed', message: sentence } })
    expect(await run(through, ['demo/nobody'])).toMatchObject({ error: { code: 'not_found', message: 'Cannot find it' } })
  })

  test('what ends a call ends what it called', async () => {
    out.length = 0
    const hang = define('export default () => new Promise(() => {})')
    const gone = new AbortController()
    const outcome = run(through, [`demo/${hang.name}`], { signal: gone.signal })
    await until(() => executor.status().inFlight === 2)
    gone.abort()
    expect(codeOf(await outcome)).toBe('unavailable')
    await until(() => executor.status().inFlight === 0)
    expect(out[0]?.signal?.aborted).toBe(true)
    const left = define(`export default (name) => { void call(name); return new Promise((done) => setTimeout(() => done(1), 30)) }`)
    expect(valueOf(await run(left, [`demo/${hang.name}`]))).toBe(1)
    await until(() => executor.status().inFlight === 0)
  })

  test('a cycle ends at the sixteenth call, and the error says what goes round', async () => {
    const a = define('export default async () => call("demo/two")')
    const b = define('export default async () => call("demo/one")')
    byName.set('one', a)
    byName.set('two', b)
    const outcome = await run(a)
    expect(outcome).toMatchObject({ error: { code: 'depth_exceeded', details: { limit: 'depth' } } })
    expect((outcome as { error: Error }).error.message).toMatch(/17 calls deep \(at most 16\): demo\/f\d+ → demo\/f\d+ → demo\/f\d+ → …$/)
  })

  test('however it fans out, a chain makes so many calls and not one more', async () => {
    out.length = 0
    const fork = define(
      `export default async (n) => { const all = await Promise.allSettled([0, 1, 2].map(() => call("demo/fork", n + 1))); return all.map((each) => each.value ?? each.reason.code + ' ' + (each.reason.details?.limit ?? '')).flat(9) }`,
    )
    byName.set('fork', fork)
    const told = valueOf(await run(fork, [0])) as string[]
    expect(out).toHaveLength(40)
    expect(told).toContain('depth_exceeded chain')
    expect(new Set(out.map((each) => each.chain?.id)).size).toBe(1)
    // The next call from outside has a chain of its own.
    valueOf(await run(through, [`demo/${who.name}`]))
  })

  test('ten thousand calls at once are refused beyond what it may, and the node answers others meanwhile', async () => {
    out.length = 0
    const flood = define(
      `export default async () => { const all = await Promise.allSettled(Array.from({ length: 10000 }, () => call("demo/${who.name}"))); return all.filter((each) => each.status === 'fulfilled').length }`,
      { execution: { requests: 10_000, timeout: '20s' } },
    )
    const flooding = run(flood)
    expect(valueOf(await run(who))).toBeNull()
    expect(valueOf(await flooding)).toBe(40)
    expect(out).toHaveLength(40)
  })

  test('who called whom is told to whoever keeps the audit', async () => {
    const finished: EventMap['call.finished'][] = []
    const stop = events.on('call.finished', (each) => finished.push(each))
    valueOf(await run(through, [`demo/${who.name}`]))
    stop()
    expect(finished.map(({ name, path }) => [name, path])).toEqual([
      [who.name, [`demo/${through.name}`]],
      [through.name, undefined],
    ])
  })
})

describe('on two nodes', () => {
  const mesh = new MemoryMesh()
  const networks = ['one', 'two'].map((name) => mesh.network({ name, roles: ['executor'] }))
  const services: ExecutorService[] = []
  const out: Invocation[] = []
  beforeAll(async () => {
    const access = new Access({ root: createIdentity().id, clock: systemClock })
    for (const [index, network] of networks.entries()) {
      const other = networks[1 - index] as (typeof networks)[number]
      const client = new ExecutorClient({ network, clock: systemClock })
      // Whatever a function calls runs on the other node.
      const callOut = (invocation: Invocation) => {
        out.push(invocation)
        return client.at(other.peer).invoke(placedOf(invocation))
      }
      services.push(serviceIn(world, { network, callOut, limits: { chainCallsMax: 25, instancesMax: 8 } }))
    }
    await Promise.all([...services.map((each) => each.start()), ...networks.map((each) => each.start())])
    networks.forEach((network, index) =>
      serveExecutor(network, { executor: services[index] as ExecutorService, access, mayOrder: () => false }),
    )
    await until(() => networks.every((each) => each.connections().length === 1))
  })
  afterAll(async () => {
    await Promise.all(services.map((each) => each.stop()))
    await mesh.stop()
  })

  test('the calls of a chain are counted together, wherever they run', async () => {
    const fork = define(`export default async () => { await Promise.allSettled([0, 1, 2].map(() => call("demo/fork-two"))); return 1 }`)
    byName.set('fork-two', fork)
    const outcome = await (services[0] as ExecutorService).invoke(callOf(fork))
    expect(valueOf(outcome)).toBe(1)
    expect(out).toHaveLength(25)
    expect(new Set(out.map((each) => each.chain?.at))).toEqual(new Set([networks[0]?.peer]))
  })

  test('an answer says how far the farthest call went, and the caller’s name crosses the mesh', async () => {
    const who = define('export default () => caller()?.path ?? null')
    const via = define(`export default async () => call("demo/${who.name}")`)
    const top = define(`export default async () => call("demo/${via.name}")`)
    const outcome = await (services[0] as ExecutorService).invoke(callOf(top))
    expect(valueOf(outcome)).toEqual([`demo/${top.name}`, `demo/${via.name}`])
    expect(outcome.meta.hops).toBe(2)
    expect((await (services[0] as ExecutorService).invoke(callOf(who))).meta.hops).toBe(0)
  })

  test('a peer is not told that a chain may go on which is over, or was never here', async () => {
    const late = define('export default () => 1')
    const chain = { id: 'f'.repeat(32), at: networks[0]?.peer ?? '' }
    const top = define(`export default async () => call("demo/${late.name}")`)
    const outcome = await (services[1] as ExecutorService).invoke(callOf(top, [], { depth: 1, path: ['demo/x'], chain }))
    expect(outcome).toMatchObject({ error: { code: 'unavailable', message: expect.stringContaining('its chain is over') } })
  })
})

/** Asks for a call as whoever it likes, on the account of every call it can think of. */
const FORGER = `
  const { Socket } = require('node:net'); const socket = new Socket({ fd: 3 })
  const frame = (kind, id, a = 0, b = 0, payload = '') => { const head = Buffer.alloc(17); head.writeUInt32LE(13 + Buffer.byteLength(payload)); head[4] = kind
    head.writeUInt32LE(id, 5); head.writeUInt32LE(a, 9); head.writeUInt32LE(b >>> 0, 13); return Buffer.concat([head, Buffer.from(payload)]) }
  socket.write(frame(32, 1)); socket.on('end', () => process.exit())
  let rest = Buffer.alloc(0)
  socket.on('data', (chunk) => { rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) { const size = 4 + rest.readUInt32LE(0); const [kind, id, a] = [rest[4], rest.readUInt32LE(5), rest.readUInt32LE(9)]
      const payload = rest.subarray(17, size); rest = rest.subarray(size)
      if (kind === 1) socket.write(frame(33, id))
      if (kind === 10) socket.write(frame(35, 1, 0, 0, payload))
      if (kind === 2) for (let call = 0; call < 20; call++) socket.write(frame(45, call + 1, a, call, JSON.stringify({ kind: 'call', ref: JSON.parse(payload)[0], args: '[]',
        path: ['vault/boss'], from: 'vault/boss', caller: { subject: 'root' }, depth: -9, chain: { id: 'a'.repeat(32), at: '' } }))) } })`

test('a worker that was taken over cannot make another function of itself, and calls nobody it may not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'osiris-'))
  const workerEntry = join(folder, 'forger.cjs')
  writeFileSync(workerEntry, FORGER)
  const out: Invocation[] = []
  const callOut = async (invocation: Invocation): Promise<Outcome> => {
    out.push(invocation)
    return failed(new OsirisError('not_found', 'Cannot find it'))
  }
  const executor = serviceIn(world, { workerEntry, callOut })
  await executor.start()
  try {
    const forger = world.define('export default 1', { config: { calls: ['demo/open'], execution: { requests: 5, timeout: '300ms' } } })
    await executor.invoke(callOf(forger, ['vault/secret']))
    expect(out).toEqual([])
    await executor.invoke(callOf(forger, ['demo/open']))
    expect(out.length).toBeGreaterThan(0)
    expect(out.length).toBeLessThanOrEqual(5)
    for (const each of out)
      expect(each).toMatchObject({ path: [`demo/${forger.name}`], depth: 1, caller: { subject: 'test' }, target: { name: 'open' } })
    expect(out.some((each) => each.chain?.id === 'a'.repeat(32))).toBe(false)
  } finally {
    await executor.stop()
    rmSync(folder, { recursive: true })
  }
})
