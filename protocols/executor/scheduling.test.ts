import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Invocation, Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { mayRunNow, maySettle, mayWait, nextInTurn } from './admission.ts'
import { callOf, requestOf, serviceIn, valueOf, World } from './executor.world.ts'
import type { ExecutorService } from './service.ts'

const world = new World()
const WAIT = 'export default (ms) => new Promise((resolve) => setTimeout(resolve, ms, ms))'
let executor: ExecutorService | undefined
const start = async (options: Parameters<typeof serviceIn>[1]) => {
  executor = serviceIn(world, options)
  await executor.start()
  return executor
}
afterEach(() => executor?.stop())

describe('who may run, and who may wait', () => {
  const count = fc.nat(20)
  const limits = fc.record({ capacity: fc.integer({ min: 1, max: 20 }), queueMax: count })
  const held = fc.record({ running: count, waiting: count })
  /** Namespaces as they may stand, and one of them. */
  const tenants = fc.array(held, { minLength: 1, maxLength: 8 })
  const nodeOf = (all: { running: number; waiting: number }[]) => ({
    running: all.reduce((sum, each) => sum + each.running, 0),
    waiting: all.reduce((sum, each) => sum + each.waiting, 0),
  })

  test('never more run, or wait, than the limits say', () => {
    fc.assert(
      fc.property(limits, tenants, held, count, (given, all, own, runningMax) => {
        const node = nodeOf(all)
        const runs = mayRunNow(given, node.running, { ...own, runningMax })
        const waits = mayWait(given, node, own, { ...(all[0] as (typeof all)[0]), namespaces: all.length })
        return (
          (!runs || (node.running < given.capacity && own.running < runningMax && own.waiting === 0)) &&
          (!waits || node.waiting < given.queueMax)
        )
      }),
    )
  })
  test('whoever holds nothing finds a place, as long as there is any', () => {
    fc.assert(
      fc.property(limits, tenants, (given, all) => {
        const node = nodeOf(all)
        const nobody = { running: 0, waiting: 0 }
        return node.waiting >= given.queueMax || mayWait(given, node, nobody, { ...nobody, namespaces: all.length + 1 })
      }),
    )
  })
  test('a flood leaves half of the queue, and, where others wait, adds nothing to it once it holds its part of a full node', () => {
    fc.assert(
      fc.property(limits, held, fc.integer({ min: 1, max: 20 }), (given, flood, othersWaiting) => {
        const alone = mayWait(given, flood, { running: 0, waiting: 0 }, { ...flood, namespaces: 1 })
        const full = { running: given.capacity, waiting: flood.waiting + othersWaiting }
        const beside = mayWait(given, full, { running: 0, waiting: 0 }, { ...flood, running: given.capacity, namespaces: 2 })
        return (!alone || flood.waiting < given.queueMax - flood.waiting) && !beside
      }),
    )
  })
  test('open sockets of one namespace leave room for those of the next, and all together have a bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(fc.nat(5), { maxLength: 300 }), (max, opening) => {
        const held = new Map<number, number>()
        let all = 0
        for (const namespace of opening) {
          const own = held.get(namespace) ?? 0
          if (!maySettle(all, own, max)) continue
          held.set(namespace, own + 1)
          all++
        }
        return all <= max && (all === max || maySettle(all, 0, max)) && (held.size !== 1 || all <= Math.ceil(max / 2))
      }),
    )
  })
  test('the next turn is that of whoever holds least, then of whoever came first; nobody is passed over for ever', () => {
    const line = fc.array(fc.record({ running: fc.nat(5), runningMax: fc.constantFrom(0, 3, Infinity), waiting: fc.constant(1) }), {
      maxLength: 10,
    })
    fc.assert(
      fc.property(line, (uses) => {
        const inLine = uses.map((use) => ({ use: { ...use } }))
        const turns: unknown[] = []
        const started = new Set<(typeof inLine)[0]>()
        for (let next = nextInTurn(inLine, started); next !== undefined; next = nextInTurn(inLine, started)) {
          const others = inLine.filter((each) => !started.has(each) && each.use.running < each.use.runningMax)
          expect(next.use.running).toBe(Math.min(...others.map((each) => each.use.running)))
          started.add(next)
          turns.push(next)
        }
        expect(turns).toHaveLength(uses.filter((use) => use.running < use.runningMax).length)
      }),
    )
  })
})

test('a full queue refuses at once, and everybody let in is answered', async () => {
  const executor = await start({ capacity: 2, limits: { queueMax: 4 } })
  const record = world.define(WAIT)
  const outcomes: Outcome[] = []
  await Promise.all(Array.from({ length: 10 }, async () => outcomes.push(await executor.invoke(callOf(record, [100])))))
  const refused = outcomes.filter((outcome) => outcome.kind === 'failed')
  expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(2)
  expect(outcomes.slice(0, refused.length)).toEqual(refused)
  for (const outcome of refused) expect(outcome).toMatchObject({ error: { code: 'overloaded' }, started: false })
  expect(executor.status()).toMatchObject({ inFlight: 0, queued: 0 })
})

test('a call that waits past its deadline ends without having started', async () => {
  const executor = await start({ capacity: 1 })
  const record = world.define(WAIT)
  await executor.invoke(callOf(record, [1]))
  const long = executor.invoke(callOf(record, [400]))
  const outcome = await executor.invoke(callOf(record, [1], { deadlineAt: systemClock.monotonic() + 100 }))
  expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'deadline_exceeded' }, started: false })
  expect(valueOf(await long)).toBe(400)
})

test('calls beyond an instance’s concurrency start another instance, up to its limit', async () => {
  const executor = await start({ limits: { instancesMax: 3 } })
  const record = world.define(
    `let running = 0, most = 0
    export default async (ms) => { most = Math.max(most, ++running); await new Promise((r) => setTimeout(r, ms)); running--; return most }`,
    { config: { execution: { concurrency: 2 } } },
  )
  const values = await Promise.all(Array.from({ length: 8 }, async () => valueOf(await executor.invoke(callOf(record, [60])))))
  expect(Math.max(...(values as number[]))).toBeLessThanOrEqual(2)
  expect(executor.status().workers.find((worker) => worker.namespace === 'demo')?.instances).toBe(3)
})

test('whoever waits for a worker that ends is run by another one', async () => {
  const executor = await start({ capacity: 1, limits: { queueMax: 4 } })
  const record = world.define(WAIT)
  await executor.invoke(callOf(record, [1]))
  const { pid } = executor.status().workers.find((worker) => worker.namespace === 'demo') as { pid: number }
  const [running, ...waiting] = [5000, 2, 3].map((ms) =>
    executor.invoke(callOf(record, [ms], { deadlineAt: systemClock.monotonic() + 4000 })),
  )
  process.kill(pid, 'SIGKILL')
  expect(await running).toMatchObject({ kind: 'failed', error: { code: 'worker_crashed' } })
  expect((await Promise.all(waiting)).map(valueOf)).toEqual([2, 3])
})

test('a caller that leaves the queue frees its place', async () => {
  const executor = await start({ capacity: 1 })
  const record = world.define(WAIT)
  await executor.invoke(callOf(record, [1]))
  const left = new AbortController()
  const long = executor.invoke(callOf(record, [100]))
  const waiting = executor.invoke(callOf(record, [1], { signal: left.signal }))
  expect(executor.status().queued).toBe(1)
  left.abort()
  expect(await waiting).toMatchObject({ kind: 'failed', started: false })
  expect(executor.status().queued).toBe(0)
  await long
})

test('a chain of calls is refused beyond its depth', async () => {
  const executor = await start({})
  const record = world.define('export default () => 1')
  expect(await executor.invoke(callOf(record, [], { depth: 17 }))).toMatchObject({ error: { code: 'depth_exceeded' }, started: false })
})

test('a function calls another on its caller’s account, one deeper, and only those it names', async () => {
  const seen: Invocation[] = []
  const executor = await start({
    callOut: (invocation) => {
      seen.push(invocation)
      return Promise.resolve({
        kind: 'value',
        value: Buffer.from('{"b":2}'),
        meta: { version: '', node: '', hops: 0, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } },
      })
    },
  })
  const source = `import { call } from 'osiris/function'
    export default async (ref) => { try { return await call(ref, 1, 'x') } catch (error) { return [error.name, error.code] } }`
  const record = world.define(source, { config: { calls: ['demo/*'] } })
  const caller = { subject: 'ada', token: 'hers' }
  expect(valueOf(await executor.invoke(callOf(record, ['demo/other'], { caller, depth: 3 })))).toEqual({ b: 2 })
  expect(seen[0]).toMatchObject({ target: { namespace: 'demo', name: 'other' }, caller, depth: 4 })
  expect(seen[0]?.payload).toEqual({ kind: 'call', args: Buffer.from('[1,"x"]') })
  expect(valueOf(await executor.invoke(callOf(record, ['secret/other'], { caller })))).toEqual(['OsirisError', 'forbidden'])
  expect(valueOf(await executor.invoke(callOf(record, ['demo/other'], { caller, depth: 16 })))).toEqual(['OsirisError', 'depth_exceeded'])
})

test('one instance of a function that calls others never serves two callers at once', async () => {
  const executor = await start({})
  const record = world.define(WAIT, { config: { calls: ['demo/*'] } })
  await Promise.all(
    ['ada', 'bob'].map(async (token) => valueOf(await executor.invoke(callOf(record, [50], { caller: { subject: token, token } })))),
  )
  expect(executor.status().workers.find((worker) => worker.namespace === 'demo')?.instances).toBe(2)
})

test('arguments too large for a call of another function are refused inside, and a refusal that is not caught reads as it is', async () => {
  const executor = await start({})
  const source = `import { call } from 'osiris/function'
    export default async (ref, size) => { try { return await call(ref, 'x'.repeat(size)) } catch (error) { if (size < 10) throw error; return error.code } }`
  const record = world.define(source, { config: { calls: ['demo/*'] } })
  expect(valueOf(await executor.invoke(callOf(record, ['demo/other', 4_000_000])))).toBe('payload_too_large')
  expect(await executor.invoke(callOf(record, ['secret/other', 1]))).toMatchObject({
    error: { code: 'forbidden', message: expect.stringMatching(/^Cannot call "secret\/other"/) },
  })
})

test('on a full node a flood of one namespace leaves others their turns: they wait, they run, and the flood is refused', async () => {
  const executor = await start({ capacity: 4, limits: { queueMax: 8 } })
  const wait = (namespace: string) => world.define(`${WAIT} // ${namespace}`, { namespace })
  const [flood, calm] = [wait('flood'), wait('calm')]
  for (const record of [flood, calm]) await executor.invoke(callOf(record, [1]))
  const floods = Array.from({ length: 20 }, () => executor.invoke(callOf(flood, [150])))
  const calms = Array.from({ length: 2 }, () => executor.invoke(callOf(calm, [10])))
  const more = await executor.invoke(callOf(flood, [150]))
  expect(more).toMatchObject({ kind: 'failed', error: { code: 'overloaded', details: { limit: 'capacity' } }, started: false })
  for (const outcome of await Promise.all(calms)) expect(valueOf(outcome)).toBe(10)
  const ended = await Promise.all(floods)
  expect(ended.filter((each) => each.kind === 'value')).toHaveLength(8)
  expect(executor.status()).toMatchObject({ inFlight: 0, queued: 0 })
})

/** What even a crowded machine gives the flood more of, and the neighbour asks far less than half of, its start counted. */
const FEW_CORES = 0.5

/** Small calls of one namespace on six threads beside a neighbour that now and then computes a little, until something is refused or the time is over: what each was refused for. */
async function refusals(shareWindowMs: number, timeMs: number): Promise<{ flood: Set<string>; busy: Set<string> }> {
  const executor = await start({ capacity: 64, hostCores: FEW_CORES, limits: { shareWindowMs } })
  const count = (name: string, namespace: string, concurrency: number) =>
    world.define(`export default (rounds) => { let sum = 0; for (let i = 0; i < rounds; i++) sum += i % 7; return sum } // ${name}`, {
      namespace,
      config: { execution: { concurrency } },
    })
  const floods = [1, 2, 3].map((n) => count(`flood ${n}`, 'flood', 2))
  const busy = count('busy', 'busy', 50)
  for (const record of [...floods, busy]) valueOf(await executor.invoke(callOf(record, [1])))
  const refused = { flood: new Set<string>(), busy: new Set<string>() }
  const end = systemClock.monotonic() + timeMs
  const client = async (record: typeof busy, name: 'flood' | 'busy', rounds: number, pauseMs: number) => {
    while (systemClock.monotonic() < end && refused.flood.size + refused.busy.size === 0) {
      const outcome = await executor.invoke(callOf(record, [rounds]))
      if (outcome.kind === 'failed') refused[name].add(`${outcome.error.code} ${String(outcome.error.details?.['limit'])}`)
      if (pauseMs > 0) await setTimeout(pauseMs)
    }
  }
  await Promise.all([
    ...floods.flatMap((record) => Array.from({ length: 8 }, () => client(record, 'flood', 1_000_000, 0))),
    client(busy, 'busy', 50_000, 20),
  ])
  await executor.stop()
  return refused
}

test('a flood of small calls is throttled by name where a neighbour computes a little too, and the neighbour is not', async () => {
  expect(await refusals(3000, 20_000)).toEqual({ flood: new Set(['quota_exceeded share']), busy: new Set() })
}, 30_000)

test('within the window a burst is nobody’s fault', async () => {
  expect(await refusals(1e9, 1500)).toEqual({ flood: new Set(), busy: new Set() })
})

test('a namespace that computes more than the operator gives to one is throttled, its neighbour is not', async () => {
  const executor = await start({ limits: { namespaceCpuMax: 0.05 } })
  const spin = 'export default (ms) => { const end = Date.now() + ms; while (Date.now() < end); return ms }'
  const greedy = world.define(spin, { namespace: 'greedy' })
  const modest = world.define(spin, { namespace: 'modest' })
  valueOf(await executor.invoke(callOf(modest, [0])))
  // Each is far from its own limits.
  const end = systemClock.monotonic() + 5000
  let refused: Outcome | undefined
  while (refused === undefined && systemClock.monotonic() < end) {
    const outcome = await executor.invoke(callOf(greedy, [90]))
    if (outcome.kind === 'failed') refused = outcome
  }
  expect(refused).toMatchObject({ error: { code: 'quota_exceeded', details: { limit: 'namespaceCpu' } }, started: false })
  expect(valueOf(await executor.invoke(callOf(modest, [1])))).toBe(1)
})

describe('open sockets', () => {
  const SOCKET = `export default { fetch() {
    const [client, server] = Object.values(new WebSocketPair()); server.accept()
    return new Response(null, { status: 101, webSocket: client })
  } }`

  test('hold a place of their function and none of the node: however many are open, calls run', async () => {
    const executor = await start({ capacity: 2, limits: { queueMax: 0 } })
    const chat = world.define(SOCKET, { namespace: 'chat', config: { execution: { concurrency: 3 }, scale: { max: 1 } } })
    const gone = new AbortController()
    async function* silence(): AsyncGenerator<Uint8Array> {
      await new Promise((resolve) => gone.signal.addEventListener('abort', resolve))
      yield* []
    }
    const open = () =>
      executor.invoke(
        requestOf(
          chat,
          { upgrade: 'websocket', headers: [['upgrade', 'websocket']], body: silence() },
          { deadlineAt: systemClock.monotonic() + 3_600_000, signal: gone.signal },
        ),
      )
    for (let each = 0; each < 3; each++) expect(await open()).toMatchObject({ kind: 'response', status: 101 })
    expect(executor.status().inFlight).toBe(0)
    expect(executor.instances()).toMatchObject([{ running: 3 }])
    expect(await open()).toMatchObject({ kind: 'failed', error: { code: 'overloaded' } })
    expect(valueOf(await executor.invoke(callOf(world.define(WAIT), [1])))).toBe(1)
    gone.abort()
    await until(() => executor.instances().every(({ running }) => running === 0))
    expect(executor.status().inFlight).toBe(0)
    const again = await executor.invoke(callOf(world.define(WAIT), [1]))
    expect(valueOf(again)).toBe(1)
  })
})
