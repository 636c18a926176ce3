/** Globals that load late (runtime/lazy.ts), the lines console writes, and what bombs in bodies cost. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import { callOf, type Define, serviceIn, valueOf, World } from '../../../executor.world.ts'

const world = new World()
const events = createEvents()
const executor = serviceIn(world, { events })
beforeAll(() => executor.start())
afterAll(() => executor.stop())

const call = (source: string, options: Define = {}) => executor.invoke(callOf(world.define(source, options)))
const run = async (body: string) => valueOf(await call(`export default async () => { ${body} }`))

async function linesOf(body: string): Promise<string[]> {
  const lines: string[] = []
  const stop = events.on('function.log', (line) => lines.push(line.text))
  await run(body)
  stop()
  return lines
}

describe('a global that loads late', () => {
  test('is an accessor until it is read, then a property like any other', async () => {
    const found = await run(`
      const describe = () => { const { value, get, enumerable, configurable, writable } = Object.getOwnPropertyDescriptor(globalThis, 'Blob'); return [typeof value, typeof get, enumerable, configurable, writable] }
      const before = describe(); Blob; return [before, describe(), Object.keys(globalThis).includes('Blob'), 'Blob' in globalThis]`)
    expect(found).toEqual([['undefined', 'function', false, true, null], ['function', 'undefined', false, true, true], false, true])
  })
  test('typeof, instanceof and reading it through another object work', async () => {
    expect(await run(`return [typeof File, new Blob() instanceof Blob, new File([], '') instanceof Blob, {} instanceof FormData]`)).toEqual(
      ['function', true, true, false],
    )
    expect(
      await run(
        `return [Object.create(globalThis).Blob === Blob, Reflect.get(globalThis, 'URLPattern', {}) === URLPattern, self.structuredClone === structuredClone]`,
      ),
    ).toEqual([true, true, true])
  })
  test('can be replaced, deleted and frozen, before it was read as after', async () => {
    expect(
      await run(
        `Blob = 1; globalThis.File = 2; delete globalThis.FormData; return [Blob, File, typeof FormData, Object.getOwnPropertyDescriptor(globalThis, 'File').writable]`,
      ),
    ).toEqual([1, 2, 'undefined', true])
    expect(await run(`Object.freeze(globalThis); return [typeof Blob, Blob === Blob, await new Response(new Blob(['x'])).text()]`)).toEqual(
      ['function', true, 'x'],
    )
  })
  test('serves the runtime although user code replaced it, or what it is made of', async () => {
    expect(
      await run(
        `Blob = FormData = File = null; const blob = await new Response('x').blob(); return [blob.size, Object.prototype.toString.call(blob)]`,
      ),
    ).toEqual([1, '[object Blob]'])
    expect(
      await run(`const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=b' }
        URL = URLSearchParams = ReadableStream = Headers = null
        return [new Request('http://x.example/../y').url, [...await new Request('http://x/', form).formData()], await new Response(new Response('x').body).text()]`),
    ).toEqual(['http://x.example/y', [['a', 'b']], 'x'])
    const outcome =
      await call(`for (const P of [Array, Map, Set, String, RegExp, Object, Reflect, JSON]) for (const key of Object.getOwnPropertyNames(P.prototype ?? P))
      try { (P.prototype ?? P)[key] = () => { throw 'replaced' } } catch {}
      export default () => { console.log('one', { two: 3 }); throw new RangeError('mine') }`)
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'function_failed' } })
    expect(valueOf(await executor.invoke(callOf(world.define('export default () => 1'))))).toBe(1)
  })
})

describe('URL and streams', () => {
  test('are made when one of them is needed, each global once, and nothing else is', async () => {
    const found = await run(`
      const given = fetch, isMade = (name) => !Object.getOwnPropertyDescriptor(globalThis, name).get
      URLSearchParams = 'mine'
      const url = new URL('http://x.example/?a=1&b=2'), body = new Response('x').body
      return [URLSearchParams, url.searchParams.size, url.searchParams.has('a', '2'), isMade('ReadableStream'), body instanceof ReadableStream, isMade('WritableStream'), fetch === given]`)
    expect(found).toEqual(['mine', 2, false, false, true, false, true])
  })
  test('work where the globals are frozen, and URL.canParse and parse with them', async () => {
    expect(
      await run(
        `Object.freeze(globalThis); return [new URL('a', 'http://x').href, URL.canParse('x'), URL.parse('http://y').host, [...new URLSearchParams('a=b')], typeof new TransformStream().readable]`,
      ),
    ).toEqual(['http://x/a', false, 'y', [['a', 'b']], 'object'])
  })
  test('no object of theirs is data, wherever it came from', async () => {
    expect(
      await run(`const kind = (make) => { try { structuredClone(make()); return 'data' } catch (error) { return error.name } }
        return [kind(() => new URL('http://x').searchParams), kind(() => new Response('x').body), kind(() => new Blob(['x']).stream()), kind(() => ({}))]`),
    ).toEqual(['DataCloneError', 'DataCloneError', 'DataCloneError', 'data'])
  })
})

describe('console', () => {
  test('format specifiers', async () => {
    expect(
      await linesOf(
        `console.log('%s is %d and %i, %f, %o%% %c%j %x', 'a', '42.5', 42.9, '1.5', { b: 1 }, 'color: red', [2], 'rest', 'more'); console.log('%s'); console.log('100%', 1); console.log('%d', Symbol())`,
      ),
    ).toEqual(['a is 42 and 42, 1.5, {"b":1}% [2] %x rest more', '%s', '100% 1', 'NaN'])
  })
  test('data is JSON; what JSON cannot tell is told by its kind', async () => {
    expect(
      await linesOf(
        `const ring = { a: 1 }; ring.self = ring; console.log({ a: [1, 'x'] }, new Map([['k', { v: 1n }]]), new Set([1]), new Uint8Array(2), ring, 5n, Symbol('s'), () => 1, undefined, null, -0)`,
      ),
    ).toEqual([
      '{"a":[1,"x"]} Map(1) {"k" => {"v":1n}} Set(1) {1} Uint8Array(2) [0,0] {"a":1,"self":[Circular]} 5n Symbol(s) [Function] undefined null 0',
    ])
    const [line] = await linesOf(`console.error('failed:', new RangeError('why'))`)
    expect(line).toMatch(/^failed: RangeError: why\n {4}at /)
  })
  test('groups indent, and end with the call', async () => {
    const groups = `console.group('g'); console.log('a\\nb'); console.groupCollapsed(); console.warn('c'); console.groupEnd(); console.log('d'); console.groupEnd(); console.groupEnd(); console.log('e'); console.group('open')`
    const record = world.define(`export default () => { ${groups} }`)
    const lines: string[] = []
    const stop = events.on('function.log', (line) => lines.push(line.text))
    for (let times = 0; times < 2; times++) valueOf(await executor.invoke(callOf(record)))
    stop()
    const once = ['g', '  a\n  b', '    c', '  d', 'e', 'open']
    expect(lines).toEqual([...once, ...once])
  })
  test('count, time, assert', async () => {
    const lines =
      await linesOf(`console.count(); console.count('x'); console.count(); console.countReset(); console.count(); console.countReset('y')
      console.time('t'); console.time('t'); console.timeLog('t', 'so far'); console.timeEnd('t'); console.timeEnd('t')
      console.assert(true, 'no'); console.assert(false, 'why %s', 'not'); console.assert(false); console.assert(0, { a: 1 })`)
    expect(lines.map((line) => line.replace(/\d+ ms/, 'N ms'))).toEqual([
      ...['default: 1', 'x: 1', 'default: 2', 'default: 1', 'Count for "y" does not exist'],
      ...['Timer "t" already exists', 't: N ms so far', 't: N ms', 'Timer "t" does not exist'],
      ...['Assertion failed: why not', 'Assertion failed', 'Assertion failed {"a":1}'],
    ])
  })
  test('tables', async () => {
    expect(
      await linesOf(
        `console.table([{ a: 1, b: 'x' }, { b: 'long', c: true }, 5]); console.table({ r: { a: 1, b: 2 } }, ['b']); console.table('text')`,
      ),
    ).toEqual([
      [
        '(index) | a | b    | c    | Values',
        '0       | 1 | x    |      |',
        '1       |   | long | true |',
        '2       |   |      |      | 5',
      ].join('\n'),
      ['(index) | b', 'r       | 2'].join('\n'),
      'text',
    ])
  })
})

describe('bombs', () => {
  const limits = { config: { execution: { memory: '32MB', timeout: '2s' } } }
  test('40 MiB unpacked in pieces fit into a function of 32 MB; kept whole they end by its limits', async () => {
    const packed = `const packed = new ReadableStream({ at: 0, pull(c) { this.at++ < 640 ? c.enqueue(new Uint8Array(65536)) : c.close() } }).pipeThrough(new CompressionStream('deflate')).pipeThrough(new DecompressionStream('deflate'))`
    expect(
      valueOf(
        await call(
          `export default async () => { ${packed}; let total = 0; for await (const chunk of packed) total += chunk.length; return total }`,
          { config: { execution: { memory: '32MB', timeout: '10s' } } },
        ),
      ),
    ).toBe(40 * 1024 * 1024)
    expect(
      await call(`export default async () => { ${packed}; return (await new Response(packed).bytes()).length }`, limits),
    ).toMatchObject({
      kind: 'failed',
      error: { code: expect.stringMatching(/memory_exceeded|deadline_exceeded|function_failed|worker_crashed/) },
    })
  })
  test('a form of a million parts ends by the limits of its function', async () => {
    const source = `export default async () => { const part = '--B\\r\\nContent-Disposition: form-data; name="a"; filename="f"\\r\\n\\r\\nx\\r\\n'
      return [...await new Response(part.repeat(1e6) + '--B--', { headers: { 'content-type': 'multipart/form-data; boundary=B' } }).formData()].length }`
    const outcome = await call(source, limits)
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { code: expect.stringMatching(/memory_exceeded|deadline_exceeded|function_failed|worker_crashed/) },
    })
  })
})
