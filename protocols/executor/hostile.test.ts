/** Who else feels it when a function is stopped, and what taken-over workers try. What hostile functions get for an answer: fixtures/hostile. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEvents, type EventMap } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { callOf, requestOf, responseOf, serviceIn, valueOf, World } from './executor.world.ts'
import type { ExecutorService } from './service.ts'
import { isRunning } from './walls/processes.ts'

const world = new World()
const events = createEvents()
let executor: ExecutorService
beforeAll(async () => {
  executor = serviceIn(world, { events, spares: 2 })
  await executor.start()
})
afterAll(() => executor.stop())

const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)
const run = (source: string, args: unknown[] = [], config = {}, namespace = 'hostile') =>
  executor.invoke(callOf(world.define(source, { config, namespace }), args))

describe('time', () => {
  test('a function that had to be killed runs in a worker of its own from then on', async () => {
    const record = world.define('export default (hang) => hang ? (() => { let a = 3n ** 100000n; for (;;) a *= a })() : 1', {
      namespace: 'apart',
      config: { execution: { timeout: '200ms', memory: '1GB' } },
    })
    expect(codeOf(await executor.invoke(callOf(record, [true])))).toBe('deadline_exceeded')
    const neighbour = world.define('export default () => 2', { namespace: 'apart' })
    expect(valueOf(await executor.invoke(callOf(record, [false])))).toBe(1)
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(2)
    expect(executor.status().workers.filter((worker) => worker.namespace === 'apart')).toHaveLength(2)
  })
  test('who is past the deadline when a neighbour costs the worker is told of the deadline', async () => {
    const stuck = world.define('export default () => { let a = 3n ** 100000n; for (;;) a *= a }', {
      namespace: 'both',
      config: { execution: { timeout: '300ms', memory: '1GB' } },
    })
    const late = world.define(`export default () => { let a = 3n ** 100000n; for (;;) a *= a }//`, {
      namespace: 'both',
      config: { execution: { timeout: '400ms', memory: '1GB' } },
    })
    const outcomes = await Promise.all([stuck, late].map((record) => executor.invoke(callOf(record))))
    expect(outcomes.map(codeOf)).toEqual(['deadline_exceeded', 'deadline_exceeded'])
  })
  test('who has time left when a call of the same function costs the worker is not told of the deadline', async () => {
    const record = world.define(
      `export default (spin) => { if (!spin) return new Promise(() => {}); Array.prototype.reverse.call({ length: 2 ** 53 - 1 }) }`,
      { namespace: 'same', config: { execution: { timeout: '8s' } } },
    )
    const waiting = executor.invoke(callOf(record, [false]))
    // However long it takes to load here.
    await until(() => executor.isWarm(record.version))
    const spinning = executor.invoke(callOf(record, [true], { deadlineAt: systemClock.monotonic() + 500 }))
    expect([await waiting, await spinning].map(codeOf)).toEqual(['worker_crashed', 'deadline_exceeded'])
  })
  test('a function that was being loaded when a neighbour cost the worker is loaded again, and its caller hears nothing of it', async () => {
    const spin = world.define('export default () => Array.prototype.reverse.call({ length: 2 ** 53 - 1 })', {
      namespace: 'reload',
      config: { execution: { timeout: '100ms' } },
    })
    const loading = world.define('const end = Date.now() + 600; while (Date.now() < end); export default () => "loaded"', {
      namespace: 'reload',
    })
    const spinning = executor.invoke(callOf(spin))
    const waiting = executor.invoke(callOf(loading))
    expect(codeOf(await spinning)).toBe('deadline_exceeded')
    expect(valueOf(await waiting)).toBe('loaded')
  })
  test('a module that goes on loading when nobody waits for it any more is given up', async () => {
    const record = world.define('const end = Date.now() + 4000; while (Date.now() < end); export default () => 1', {
      namespace: 'unwanted',
    })
    const deadlineAt = systemClock.monotonic() + 100
    expect(codeOf(await executor.invoke(callOf(record, [], { deadlineAt })))).toBe('deadline_exceeded')
    const instances = () => executor.status().workers.find((worker) => worker.namespace === 'unwanted')?.instances
    expect(instances()).toBe(1)
    const answeredAt = systemClock.monotonic()
    await until(() => instances() === 0)
    expect(systemClock.monotonic() - answeredAt).toBeLessThan(3000)
    const neighbour = world.define('export default () => 2', { namespace: 'unwanted' })
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(2)
  })
  test('calls that compute one behind the other: who has not begun at its deadline is told so, and the worker lives', async () => {
    const own = serviceIn(world, { limits: { killGraceMs: 1000 } })
    await own.start()
    const record = world.define('export default (ms) => { const end = Date.now() + ms; while (Date.now() < end); return ms }', {
      namespace: 'row',
      config: { execution: { timeout: '400ms' }, scale: { max: 1 } },
    })
    valueOf(await own.invoke(callOf(record, [100])))
    const pids = () => own.status().workers.flatMap(({ pid, namespace }) => (namespace === 'row' ? [pid] : []))
    const before = pids()
    // One after the other they would take two seconds longer than a worker is given.
    const codes = (await Promise.all(Array.from({ length: 12 }, () => own.invoke(callOf(record, [300]))))).map(codeOf)
    expect(codes.filter((code) => code === 'deadline_exceeded').length).toBeGreaterThan(9)
    expect(codes.filter((code) => code !== 'deadline_exceeded' && code !== 'value')).toEqual([])
    expect(pids()).toEqual(before)
    await own.stop()
  })
  test('a slow function does not block its namespace', async () => {
    valueOf(await run('export default () => "begun"', [], {}, 'shared'))
    const ended: unknown[] = []
    const slow = run('export default () => { const end = Date.now() + 500; while (Date.now() < end); return "slow" }', [], {}, 'shared')
    const quick = run('export default () => "quick"', [], {}, 'shared')
    await Promise.all([slow, quick].map(async (outcome) => ended.push(valueOf(await outcome))))
    expect(ended).toEqual(['quick', 'slow'])
  })
  test('a function that was quick a thousand times and then loops is stopped, and its namespace goes on meanwhile', async () => {
    const record = world.define('export default (loop) => { if (loop) for (;;); return 1 }', {
      namespace: 'sudden',
      config: { execution: { timeout: '1500ms' } },
    })
    const neighbour = world.define('export default () => 2', { namespace: 'sudden' })
    valueOf(await executor.invoke(callOf(neighbour)))
    for (let round = 0; round < 1000; round++) valueOf(await executor.invoke(callOf(record, [false])))
    const ended: unknown[] = []
    const looping = executor.invoke(callOf(record, [true])).then((outcome) => ended.push(codeOf(outcome)))
    await new Promise((resolve) => setTimeout(resolve, 300))
    ended.push(valueOf(await executor.invoke(callOf(neighbour))))
    await looping
    expect(ended).toEqual([2, 'deadline_exceeded'])
    expect(valueOf(await executor.invoke(callOf(record, [false])))).toBe(1)
  })
})

describe('walls', () => {
  test('entropy differs from call to call and from isolate to isolate', async () => {
    const source =
      'export default () => [crypto.randomUUID(), crypto.randomUUID(), Math.random(), ...crypto.getRandomValues(new Uint32Array(2))]'
    const all = [...(valueOf(await run(source)) as unknown[]), ...(valueOf(await run(`${source} //`)) as unknown[])]
    expect(new Set(all).size).toBe(all.length)
    expect(all[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

describe('logs', () => {
  test('lines come with their call and level, cut at 4 KiB, and a flood is counted', async () => {
    const lines: EventMap['function.log'][] = []
    const stop = events.on('function.log', (line) => lines.push(line))
    const record = world.define(`import { log } from 'osiris/function'
      export default () => { console.error('bad', { a: 1 }); log('x'.repeat(1e5)); for (let i = 0; i < 1e4; i++) console.log(i); return 1 }`)
    const call = callOf(record)
    await executor.invoke(call)
    stop()
    expect(lines[0]).toMatchObject({ id: call.id, name: record.name, level: 'error', text: 'bad {"a":1}' })
    expect(lines[1]?.text).toHaveLength(4096)
    expect(lines).toHaveLength(257)
    expect(lines.at(-1)).toMatchObject({ level: 'warn', text: '9746 more lines were dropped' })
  })
  test('what was logged before a loop is not lost with it', async () => {
    const lines: string[] = []
    const stop = events.on('function.log', (line) => lines.push(line.text))
    await run('export default () => { console.log("here"); for (;;); }', [], { execution: { timeout: '100ms' } })
    stop()
    expect(lines).toContain('here')
  })
})

describe('workers', () => {
  test('a rejection whose telling rejects again, for ever, costs its own instance and nobody else’s', async () => {
    const record = world.define('export default (code) => (0, eval)(`(async () => (${code}))`)()', { namespace: 'rejects' })
    const neighbour = world.define('export default () => 2', { namespace: 'rejects' })
    for (let round = 0; round < 12; round++) valueOf(await executor.invoke(callOf(record, ['1'])))
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(2)
    const pids = () => executor.status().workers.flatMap(({ pid, namespace }) => (namespace === 'rejects' ? [pid] : []))
    const before = pids()
    // What becomes of an unhandled rejection on its way out of the isolate reads these, and what they do is rejected again.
    for (const code of [
      '[...(Array.prototype.stack = Promise.prototype.stack = new Proxy(fetch, { get: () => fetch, has: () => true }))]',
      'Array.prototype.then = Promise.prototype.then = new Proxy({}, { get: () => /x/, has: () => true })',
      '(() => { throw (Array.prototype.description = Promise.prototype.description = []) })()',
    ])
      await executor.invoke(callOf(record, [code]))
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(2)
    expect(pids()).toEqual(before)
  })

  test('a toJSON on every array and object neither breaks responses nor what a function fetches', async () => {
    const record = world.define(
      `Array.prototype.toJSON = Object.prototype.toJSON = () => 'mine'
      export default { fetch: async () => { const code = await fetch('http://127.0.0.1/', { headers: { a: 'b' } }).catch((error) => error.code); return new Response(code, { headers: { a: 'b' } }) } }`,
      { namespace: 'json', config: { egress: ['*'] } },
    )
    const { text, headers } = await responseOf(await executor.invoke(requestOf(record, { url: 'http://x/' })))
    expect([text, headers['a']]).toEqual(['egress_denied', 'b'])
  })

  test('SIGKILL during calls is worker_crashed, and the next call works', async () => {
    const source = 'export default (ms) => ms ? new Promise((resolve) => setTimeout(resolve, ms, 1)) : 2'
    const record = world.define(source, { namespace: 'killed' })
    expect(valueOf(await executor.invoke(callOf(record, [0])))).toBe(2)
    const calls = Array.from({ length: 5 }, () => executor.invoke(callOf(record, [5000])))
    process.kill(executor.status().workers.find((worker) => worker.namespace === 'killed')?.pid ?? 0, 'SIGKILL')
    for (const outcome of await Promise.all(calls))
      expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'worker_crashed' }, started: true })
    expect(valueOf(await executor.invoke(callOf(record, [0])))).toBe(2)
  })

  /** A program that does with the pipe what it is told to by the bytes of the artifact. */
  const LIAR = `
    const { Socket } = require('node:net'); const socket = new Socket({ fd: 3 })
    const frame = (kind, id, a = 0, b = 0, payload = '') => { const head = Buffer.alloc(17); head.writeUInt32LE(13 + Buffer.byteLength(payload)); head[4] = kind
      head.writeUInt32LE(id, 5); head.writeUInt32LE(a, 9); head.writeUInt32LE(b >>> 0, 13); return Buffer.concat([head, Buffer.from(payload)]) }
    socket.write(frame(32, 1)); socket.on('end', () => process.exit())
    let rest = Buffer.alloc(0)
    socket.on('data', (chunk) => { rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) { const size = 4 + rest.readUInt32LE(0); const [kind, id] = [rest[4], rest.readUInt32LE(5)]
        const payload = rest.subarray(17, size); rest = rest.subarray(size)
        if (kind === 1) socket.write(frame(33, id))
        if (kind === 2) socket.write(lies(JSON.parse(payload)[0], id)) } })
    const lies = (what, id) => ({ garbage: require('node:crypto').randomBytes(1000), huge: Buffer.from([255, 255, 255, 255, 35]), short: Buffer.from([1, 0, 0, 0, 35]),
      kind: frame(99, id), other: frame(35, id + 1000, 0, 0, '1'), zero: frame(35, 0, 0, 0, '1'), twice: frame(33, 1), response: frame(37, id, 0, 0, '{}'), chunk: frame(38, id, 0, 0, 'x'),
      error: frame(36, id, 0, 0, 'not json'), level: frame(43, id, 1, 77, 'x'), closed: frame(42, id), code: frame(77, 1, 0, 0, 'machine code'), good: frame(35, id, 0, 0, '1') })[what]`

  describe('taken over', () => {
    const folder = mkdtempSync(join(tmpdir(), 'osiris-'))
    const workerEntry = join(folder, 'liar.cjs')
    writeFileSync(workerEntry, LIAR)
    const lied = serviceIn(world, { workerEntry, spares: 2 })
    const honest = world.define('export default 1', { namespace: 'honest' })
    const record = world.define('export default 1', { namespace: 'liar' })
    beforeAll(() => lied.start())
    afterAll(async () => {
      await lied.stop()
      rmSync(folder, { recursive: true })
    })
    test.each(['garbage', 'huge', 'short', 'kind', 'other', 'zero', 'twice', 'response', 'chunk', 'error', 'level', 'closed', 'code'])(
      'a worker that sends %s is killed, and only its calls end',
      async (lie) => {
        expect(valueOf(await lied.invoke(callOf(honest, ['good'])))).toBe(1)
        const [good] = lied.status().workers.filter((worker) => worker.namespace === 'honest')
        expect(codeOf(await lied.invoke(callOf(record, [lie])))).toBe('worker_crashed')
        expect(valueOf(await lied.invoke(callOf(honest, ['good'])))).toBe(1)
        expect(lied.status().workers.find((worker) => worker.namespace === 'honest')?.pid).toBe(good?.pid)
      },
    )
  })

  test('two namespaces never share a process, however calls of them alternate, crash and come back', async () => {
    const ways = ['1', '(() => { for (;;); })()', '(() => { let a = 3n ** 100000n; for (;;) a *= a })()']
    const tenants = new Map<number, Set<string>>()
    for (let round = 0; round < 12; round++) {
      const config = { execution: { timeout: '60ms', memory: '256MB' } }
      const calls = ['a', 'b', 'c'].map((name) => run(`export default () => ${ways[round % 3]} // ${round}`, [], config, `map-${name}`))
      for (const { pid, namespace } of executor.status().workers)
        if (namespace !== null) tenants.set(pid, (tenants.get(pid) ?? new Set()).add(namespace))
      await Promise.all(calls)
    }
    expect(tenants.size).toBeGreaterThan(2)
    expect([...tenants.values()].filter((all) => all.size > 1)).toEqual([])
  }, 60_000)

  test('stop() leaves no process', async () => {
    const own = serviceIn(world, { spares: 2 })
    await own.start()
    valueOf(await own.invoke(callOf(world.define('export default () => 1'))))
    const pids = own.status().workers.map((worker) => worker.pid)
    expect(pids.length).toBeGreaterThan(1)
    await own.stop()
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    expect(await own.invoke(callOf(world.define('export default () => 1')))).toMatchObject({
      error: { code: 'unavailable' },
      started: false,
    })
  })

  test('workers end when their node dies', async () => {
    const folder = import.meta.dirname
    const script = `import { serviceIn, World } from ${JSON.stringify(join(folder, 'executor.world.ts'))}
      const executor = serviceIn(new World(), { spares: 2 }); await executor.start()
      console.log(JSON.stringify(executor.status().workers.map((worker) => worker.pid))); setInterval(() => {}, 1000)`
    const node = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(node.stdout, 'data')) as [Buffer]
    const pids = JSON.parse(line.toString()) as number[]
    expect(pids).toHaveLength(2)
    node.kill('SIGKILL')
    await until(() => !pids.some(isRunning))
  })

  test('workers without work, and instances without calls, go', async () => {
    const own = serviceIn(world, { spares: 0, limits: { workerIdleMs: 100 } })
    await own.start()
    const record = world.define('export default () => 1', { config: { scale: { idle: '1s' } } })
    valueOf(await own.invoke(callOf(record)))
    expect(own.isWarm(record.version)).toBe(true)
    expect(own.status()).toMatchObject({ warm: [record.version], workers: [{ namespace: 'demo', instances: 1 }] })
    await until(() => own.status().workers.length === 0)
    expect(own.isWarm(record.version)).toBe(false)
    await own.stop()
  })
})
