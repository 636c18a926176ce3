/** What every executor promises, whether it lives here or on a peer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Invocation, Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import type { Executor } from './executor.ts'
import { scaleTests } from './scale.suite.ts'
import { errorTests, expectFailure } from './errors.suite.ts'
import { eventTests } from './events.suite.ts'
import { socketTests } from './sockets.suite.ts'
import { callOf, type Define, requestOf, responseOf, valueOf, World } from './executor.world.ts'

export interface ExecutorFixture {
  executor: Pick<Executor, 'invoke' | 'scale'>
  stop(): Promise<void>
}

export function executorSuite(kind: string, create: (world: World) => Promise<ExecutorFixture>): void {
  describe(`executor: ${kind}`, () => {
    const world = new World()
    let fixture: ExecutorFixture
    beforeAll(async () => {
      fixture = await create(world)
    })
    afterAll(() => fixture.stop())

    const run = (source: string, args: unknown[] = [], options: Define = {}, parts: Partial<Invocation> = {}): Promise<Outcome> =>
      fixture.executor.invoke(callOf(world.define(source, options), args, parts))

    describe('value functions', () => {
      test('a value comes back as JSON, with who ran it and how long it took', async () => {
        const record = world.define('export default (name, times = 1) => ({ hello: name, times })')
        const outcome = await fixture.executor.invoke(callOf(record, ['Ada', 2]))
        expect(valueOf(outcome)).toEqual({ hello: 'Ada', times: 2 })
        expect(outcome.meta).toMatchObject({ version: record.version, node: 'node-1' })
        expect(outcome.meta.timing.cold).toBeGreaterThan(0)
        const again = await fixture.executor.invoke(callOf(record, ['Bob']))
        expect(valueOf(again)).toEqual({ hello: 'Bob', times: 1 })
        expect(again.meta.timing.cold).toBe(0)
      })
      test('an async value, a value after a timer, a thenable', async () => {
        expect(valueOf(await run('export default async (a) => (await 0, a + 1)', [1]))).toBe(2)
        expect(valueOf(await run('export default (a) => new Promise((r) => setTimeout(r, 5, a))', ['later']))).toBe('later')
        expect(valueOf(await run('export default () => ({ then: (ok) => ok(7) })'))).toBe(7)
      })
      test.each([
        ['undefined', 'null'],
        ['NaN', 'null'],
        ['-0', '0'],
        ['new Date(0)', '"1970-01-01T00:00:00.000Z"'],
        ['new Map([[1, 2]])', '{}'],
        ['[undefined, () => 1]', '[null,null]'],
        ['JSON.parse(\'{"__proto__":1}\')', '{"__proto__":1}'],
        ['"\\ud800 é 😀"', '"\\ud800 é 😀"'],
      ])('%s is returned as %s', async (expression, json) => {
        const outcome = await run(`export default () => ${expression}`)
        expect(Buffer.from((outcome as { value: Uint8Array }).value).toString('utf8')).toBe(json)
      })
      test.each(['1n', '(() => 1)', 'Symbol()', '(() => { const a = {}; a.a = a; return a })()'])(
        '%s is result_not_serializable',
        async (expression) => {
          await expectFailure(run(`export default () => ${expression}`), 'result_not_serializable')
          await expectFailure(run(`export default async () => ${expression}`), 'result_not_serializable')
        },
      )
      test.each([
        ['1n', 'result is a BigInt'],
        ['({ items: [{}, {}, {}, { total: 1n }] })', 'result.items[3].total is a BigInt'],
        ['({ ok: { a: 1 }, "odd key": [[1n]] })', 'result["odd key"][0][0] is a BigInt'],
        ['({ a: { toJSON: () => ({ b: 1n }) } })', 'result.a.b is a BigInt'],
        ['{ const a = { b: [] }; a.b.push(1, { c: a.b }); return a }', 'result.b[1].c leads back to result.b'],
        ['{ const a = { same: {} }; a.other = a.same; a.self = a; return a }', 'result.self leads back to result'],
        ['() => 1', 'result is a function'],
        ['Symbol()', 'result is a symbol'],
        ['{ let n = 0; return { get a() { return n++ === 0 ? 1n : 1 } } }', 'Do not know how to serialize a BigInt'],
      ])('what cannot be a result is named by its place: %s', async (body, reason) => {
        const { error } = await expectFailure(run(`export default () => ${body}`), 'result_not_serializable')
        expect(error.message).toMatch(/^Cannot return the result of "f\d+": /)
        expect(error.message.endsWith(`: ${reason}`)).toBe(true)
      })
      test('a result nested too deeply is result_too_large', async () => {
        const nested = '{ let a = 1n; for (let i = 0; i < 1e5; i++) a = [a]; return a }'
        const { error } = await expectFailure(run(`export default () => ${nested}`), 'result_too_large')
        expect(error.message).toContain('it is nested too deeply')
      })
      test('a result above the limit is result_too_large, in characters and in bytes', async () => {
        const config = { execution: { payload: '1KB' } }
        await expectFailure(run('export default () => "x".repeat(2000)', [], { config }), 'result_too_large')
        await expectFailure(run('export default () => "é".repeat(600)', [], { config }), 'result_too_large')
        await expectFailure(run('export default () => "€".repeat(1_000_000)'), 'result_too_large')
      })
      test('64 arguments are taken, one more is invalid_argument', async () => {
        const record = world.define('export default (...all) => all.length')
        const call = (count: number) =>
          fixture.executor.invoke(
            callOf(
              record,
              Array.from({ length: count }, () => 1),
            ),
          )
        expect(valueOf(await call(64))).toBe(64)
        await expectFailure(call(65), 'invalid_argument')
        const body = Buffer.from(JSON.stringify(Array.from({ length: 65 }, () => 1)))
        await expectFailure(fixture.executor.invoke(requestOf(record, { method: 'POST', body })), 'invalid_argument')
      })
      test('arguments above the limit are payload_too_large, and nothing starts', async () => {
        await expectFailure(
          run('export default (a) => a', ['x'.repeat(2000)], { config: { execution: { payload: '1KB' } } }),
          'payload_too_large',
          false,
        )
      })
      test('arguments that are no JSON array are invalid_argument', async () => {
        for (const args of ['{', '{"a":1}', '"text"', ''])
          await expectFailure(
            run('export default () => 1', [], {}, { payload: { kind: 'call', args: Buffer.from(args) } }),
            'invalid_argument',
          )
      })
      test('a web function refuses a call', async () => {
        await expectFailure(run('export default { fetch: () => new Response("x") }'), 'invalid_argument')
      })
      test('env is the function’s own and cannot be changed', async () => {
        const source = `import { env } from 'osiris/function'\nexport default () => { try { env.A = 'b' } catch {} return env }`
        expect(valueOf(await run(source, [], { config: { env: { A: 'a' } } }))).toEqual({ A: 'a' })
      })
    })

    eventTests({ world, invoke: (placed) => fixture.executor.invoke(placed) })
    scaleTests({ world, executor: () => fixture.executor })

    errorTests({ world, run, invoke: (placed) => fixture.executor.invoke(placed) })
    socketTests({ world, invoke: (placed) => fixture.executor.invoke(placed) })

    describe('deadlines', () => {
      const config = { execution: { timeout: '150ms' } }
      test.each([
        ['a loop', 'for (;;);'],
        ['a promise that never settles', 'return new Promise(() => {})'],
        ['microtasks without end', 'const again = () => Promise.resolve().then(again); return again()'],
        ['a regular expression', 'return /(a+)+$/.test("a".repeat(40) + "b")'],
        ['a loop in a getter of an error', 'throw { get message() { for (;;); } }'],
        ['a loop in prepareStackTrace', 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")'],
        ['a loop in toJSON', 'return { toJSON() { for (;;); } }'],
        ['a loop in a timer', 'return new Promise(() => setTimeout(() => { for (;;); }, 1))'],
      ])('%s ends at its deadline', async (_, body) => {
        const startedAt = systemClock.monotonic()
        await expectFailure(run(`export default () => { ${body} }`, [], { config }), 'deadline_exceeded')
        expect(systemClock.monotonic() - startedAt).toBeLessThan(150 + 1000)
      })
      test('the caller’s deadline counts when it is shorter', async () => {
        const record = world.define('export default (wait) => (wait ? new Promise(() => {}) : 1)')
        expect(valueOf(await fixture.executor.invoke(callOf(record, [false])))).toBe(1)
        const startedAt = systemClock.monotonic()
        const outcome = fixture.executor.invoke(callOf(record, [true], { deadlineAt: startedAt + 100 }))
        await expectFailure(outcome, 'deadline_exceeded')
        expect(systemClock.monotonic() - startedAt).toBeLessThan(1000)
      })
      test('a module whose top-level await never ends does not load', async () => {
        await expectFailure(
          run('await new Promise(() => {})', [], {}, { deadlineAt: systemClock.monotonic() + 200 }),
          'deadline_exceeded',
          false,
        )
      })
      test('the next call of the same function works', async () => {
        const record = world.define('export default (loop) => { if (loop) for (;;); return 1 }', { config })
        await expectFailure(fixture.executor.invoke(callOf(record, [true])), 'deadline_exceeded')
        expect(valueOf(await fixture.executor.invoke(callOf(record, [false])))).toBe(1)
      })
    })

    describe('web functions', () => {
      const web = (body: string, options: Define = {}) =>
        world.define(`export default { async fetch(request, env, ctx) { ${body} } }`, options)
      const fetchFrom = (body: string, payload = {}, options: Define = {}) =>
        fixture.executor.invoke(requestOf(web(body, options), payload))

      test('method, url, headers, body and env arrive as they were sent', async () => {
        const outcome = await fetchFrom(
          'return Response.json([request.method, request.url, request.headers.get("X-A"), await request.text(), env.E], { status: 201 })',
          {
            method: 'PUT',
            url: 'http://a.example/b%2Fc?d=%20',
            headers: [
              ['x-a', '1'],
              ['x-a', '2'],
            ],
            body: Buffer.from('é body'),
          },
          { config: { env: { E: 'mc2' } } },
        )
        const response = await responseOf(outcome)
        expect(response).toMatchObject({ status: 201, headers: { 'content-type': 'application/json' } })
        expect(JSON.parse(response.text)).toEqual(['PUT', 'http://a.example/b%2Fc?d=%20', '1, 2', 'é body', 'mc2'])
      })
      test('a value function reached by a route gets its arguments by name', async () => {
        const record = world.define('export default (name, times = 1, ...rest) => ({ name, times, rest })', {
          parameters: ['name', 'times'],
        })
        const at = async (payload: object) => JSON.parse((await responseOf(await fixture.executor.invoke(requestOf(record, payload)))).text)
        expect(await at({ url: 'http://x/greet/Ada?times=3', params: { name: 'Ada' } })).toEqual({ name: 'Ada', times: 3, rest: [] })
        expect(await at({ url: 'http://x/?name=%41&other=1' })).toEqual({ name: 'A', times: 1, rest: [] })
        expect(await at({ method: 'POST', body: Buffer.from('["Bob",2,3]') })).toEqual({ name: 'Bob', times: 2, rest: [3] })
        expect(await at({ method: 'POST', body: Buffer.from('{"times":4,"name":"Eve"}') })).toEqual({ name: 'Eve', times: 4, rest: [] })
      })
      test.each([
        ['300 headers', 'for (let i = 0; i < 300; i++) headers.append("set-cookie", `c${i}=1`)'],
        ['a name of 300 characters', 'headers.set("n".repeat(300), "v")'],
        ['a value of 70,000 characters', 'headers.set("x", "v".repeat(70_000))'],
        ['9 MB of header', 'headers.set("x", "v".repeat(9_000_000))'],
      ])('a response with %s is function_failed', async (_, make) => {
        const outcome = fetchFrom(`const headers = new Headers(); ${make}; return new Response('x', { headers })`)
        expect((await expectFailure(outcome, 'function_failed')).error.message).toMatch(/^Cannot answer for .* header/)
      })
      test('bytes that are no text arrive and leave unchanged', async () => {
        const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
        const outcome = await fetchFrom('return new Response(await request.bytes())', { method: 'POST', body: bytes })
        expect(new Uint8Array((outcome as { body: Uint8Array }).body)).toEqual(bytes)
      })
      test('bytes that come while the function computes arrive as they were sent', async () => {
        const record = web(`const spin = () => { const end = Date.now() + 15; while (Date.now() < end); }
          spin(); const bytes = await request.bytes(); spin(); return Response.json([bytes.length, ...new Set(bytes)])`)
        // Not one is the beginning of a text.
        const sent = async (byte: number) => {
          const payload = { method: 'POST', body: Buffer.alloc(20_000, byte) }
          return JSON.parse((await responseOf(await fixture.executor.invoke(requestOf(record, payload)))).text) as unknown
        }
        // Once it is known to be slow, the others wait for their turn.
        expect(await sent(0x80)).toEqual([20_000, 0x80])
        const bytes = Array.from({ length: 12 }, (_, index) => 0x81 + index)
        expect(await Promise.all(bytes.map(sent))).toEqual(bytes.map((byte) => [20_000, byte]))
      })
      test('a request’s body streams in and a response’s body streams out, at the reader’s pace', async () => {
        const total = 3 * 1024 * 1024
        let given = 0
        async function* source() {
          for (; given < total; given += 65_536) yield new Uint8Array(65_536).fill(given / 65_536)
        }
        const options = { config: { execution: { payload: '8MB' } } }
        const outcome = await fetchFrom('return new Response(request.body)', { method: 'POST', body: source() }, options)
        expect(outcome).toMatchObject({ kind: 'response', status: 200 })
        let read = 0
        let givenAtFirst = 0
        for await (const chunk of (outcome as { body: AsyncIterable<Uint8Array> }).body) {
          if (read === 0) givenAtFirst = given
          for (const byte of chunk) if (byte !== Math.floor(read++ / 65_536)) throw new Error(`byte ${read} is ${byte}`)
        }
        expect(read).toBe(total)
        expect(givenAtFirst).toBeLessThan(2.5 * 1024 * 1024)
      })
      test('a request’s body above the limit is payload_too_large', async () => {
        async function* source() {
          for (let index = 0; index < 64; index++) yield new Uint8Array(1024)
        }
        const options = { config: { execution: { payload: '16KB' } } }
        const outcome = fetchFrom('return new Response(await request.text())', { method: 'POST', body: source() }, options)
        await expectFailure(outcome, 'payload_too_large')
      })
      test('one whose head says so already is refused before anything starts', async () => {
        let read = 0
        async function* source() {
          while (true) yield new Uint8Array((read += 1024) && 1024)
        }
        const options = { config: { execution: { payload: '16KB' } } }
        const headers = [['content-length', '16385']]
        const outcome = fetchFrom('return new Response(request.body)', { method: 'POST', headers, body: source() }, options)
        await expectFailure(outcome, 'payload_too_large', false)
        expect(read).toBeLessThan(1024 * 1024)
      })
      test('a long body that is complete arrives whole', async () => {
        const { text } = await responseOf(await fetchFrom('return new Response("é".repeat(400000))'))
        expect(text).toBe('é'.repeat(400_000))
      })
      test('a stream that breaks throws the function’s error at its reader', async () => {
        const source =
          'return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)) }, pull() { throw new Error("torn") } }))'
        await expect(responseOf(await fetchFrom(source))).rejects.toThrow(/torn/)
      })
      test('an answer that is no Response, and a throw, are function_failed', async () => {
        await expectFailure(fetchFrom('return 5'), 'function_failed')
        await expectFailure(fetchFrom('throw new Error("x")'), 'function_failed')
        await expectFailure(fetchFrom('const r = new Response("a"); await r.text(); return r'), 'function_failed')
      })
      test('a default export that is a Proxy with every property works', async () => {
        const proxy = 'new Proxy({}, { get: (_, key) => key === "fetch" ? () => new Response("proxied") : () => {} })'
        const outcome = await fixture.executor.invoke(requestOf(world.define(`export default ${proxy}`)))
        expect((await responseOf(outcome)).text).toBe('proxied')
      })
      test('fetch is egress_denied', async () => {
        await expectFailure(fetchFrom('return await fetch("http://127.0.0.1/")'), 'egress_denied')
      })
      test('a response after its deadline breaks off with deadline_exceeded', async () => {
        const body = 'return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)) } }))'
        const outcome = await fetchFrom(body, {}, { config: { execution: { timeout: '200ms' } } })
        await expect(responseOf(outcome)).rejects.toMatchObject({ code: 'deadline_exceeded' })
      })
    })

    describe('cancellation', () => {
      test('request.signal aborts when the caller goes, and the run ends', async () => {
        const left = new AbortController()
        const record = world.define(`let seen = 'nothing'
          export default { async fetch(request) {
            if (request.url.endsWith('/seen')) return new Response(seen)
            request.signal.addEventListener('abort', () => { seen = request.signal.reason.name })
            return new Promise(() => {})
          } }`)
        const outcome = fixture.executor.invoke(requestOf(record, {}, { signal: left.signal }))
        // Answered behind the first one, on the same pipe: it has begun by then.
        const seen = async () => (await responseOf(await fixture.executor.invoke(requestOf(record, { url: 'http://x/seen' })))).text
        expect(await seen()).toBe('nothing')
        left.abort()
        expect(await outcome).toMatchObject({ kind: 'failed', started: true })
        await expect.poll(seen).toBe('AbortError')
      })
      test('leaving a response early cancels its stream', async () => {
        const record = world.define(`let cancelled = false
          export default { fetch: (request) => request.url.endsWith('/seen') ? new Response(String(cancelled)) : new Response(new ReadableStream({
            pull(c) { c.enqueue(new Uint8Array(1000)) }, cancel() { cancelled = true } })) }`)
        const outcome = await fixture.executor.invoke(requestOf(record))
        for await (const chunk of (outcome as { body: AsyncIterable<Uint8Array> }).body) {
          expect(chunk.length).toBeGreaterThan(0)
          break
        }
        const seen = async () => (await responseOf(await fixture.executor.invoke(requestOf(record, { url: 'http://x/seen' })))).text
        await expect.poll(seen).toBe('true')
      })
    })
  })
}
