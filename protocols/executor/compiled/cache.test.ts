import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, test } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import { FunctionState } from '../function-state.ts'
import { wholeShare } from '../keeping.ts'
import { DEFAULT_LIMITS } from '../limits/limits.ts'
import { Shares } from '../shares/shares.ts'
import { CodeCache, type CodeCacheInit } from './cache.ts'
import { afterLoaded, codeStateOf, takeCode } from './word.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'osiris-compiled-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const world = new World()
const shares = new Shares({ hostCores: 1, coresMax: DEFAULT_LIMITS.namespaceCpuMax, windowMs: DEFAULT_LIMITS.shareWindowMs })
const LARGE = Array.from({ length: 800 }, (_, index) => `function f${index}(a) { return a + ${index} + "${'x'.repeat(30)}" }`).join('\n')
const large = (text: string) => `import { log } from "osiris/function";\n${LARGE}\n${text}\nexport {\n  main as default\n};\n`
const defined = (text = 'var main = () => f7(1);', namespace = 'demo') => world.define(large(text), { namespace })
const stateOf = (record = defined()) => new FunctionState(record, DEFAULT_LIMITS, shares.use(record.namespace), wholeShare(record))
const key = new Uint8Array(32).fill(7)

async function cacheIn({ engine = 'v8', ...parts }: Partial<CodeCacheInit> & { engine?: string } = {}): Promise<CodeCache> {
  const cache = new CodeCache({ clock: systemClock, store: { folder, key }, ...parts })
  await cache.start(engine)
  return cache
}
const files = () => readdirSync(folder).map((name) => join(folder, name))
const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value)

it('what was given is found, in memory and by the next node in the folder, for that version only', async () => {
  const [fn, other] = [stateOf(), stateOf()]
  const cache = await cacheIn()
  cache.give(fn, bytes(100))
  expect(await cache.find(fn)).toEqual(bytes(100))
  await cache.stop()
  const next = await cacheIn()
  expect(Buffer.from((await next.find(fn)) ?? [])).toEqual(Buffer.from(bytes(100)))
  expect(await next.find(other)).toBeUndefined()
  expect(next.status()).toMatchObject({ forged: 0, diskBytes: 132 })
})

test.each([
  ['bytes of it were changed', () => writeFileSync(files()[0] ?? '', Buffer.from(readFileSync(files()[0] ?? '')).fill(9, 50, 51)), {}],
  ['it is as short as it gets', () => writeFileSync(files()[0] ?? '', bytes(33)), {}],
  ['it was made by another engine', () => {}, { engine: 'another' }],
  ['it was made with another secret', () => {}, { key: bytes(32, 8) }],
])(
  'a file is deleted and not used when %s',
  async (_, tamper, { engine = 'v8', key: secret = key }: { engine?: string; key?: Uint8Array }) => {
    const fn = stateOf()
    const cache = await cacheIn()
    cache.give(fn, bytes(100))
    await cache.stop()
    tamper()
    const next = await cacheIn({ engine, store: { folder, key: secret } })
    expect(await next.find(fn)).toBeUndefined()
    await next.stop()
    expect(files()).toEqual([])
    expect(next.status()).toMatchObject({ forged: 1, diskBytes: 0, memoryBytes: 0 })
  },
)

it('the file of one version is no good under the name of another', async () => {
  const [fn, other] = [stateOf(), stateOf()]
  const cache = await cacheIn()
  cache.give(fn, bytes(100, 1))
  cache.give(other, bytes(100, 2))
  await cache.stop()
  const [one = '', two = ''] = files()
  writeFileSync(one, readFileSync(two))
  const next = await cacheIn()
  const found = [await next.find(fn), await next.find(other)].filter((each) => each !== undefined)
  expect(found).toHaveLength(1)
  expect(next.status().forged).toBe(1)
})

it('what is dropped is not found again, even where its file was only being written', async () => {
  const fn = stateOf()
  const cache = await cacheIn()
  cache.give(fn, bytes(100))
  cache.drop(fn)
  expect(await cache.find(fn)).toBeUndefined()
  await cache.stop()
  cache.give(fn, bytes(100))
  await cache.stop()
  cache.drop(fn)
  await cache.stop()
  expect(files()).toEqual([])
  expect(cache.status()).toMatchObject({ memoryBytes: 0, diskBytes: 0 })
})

it('memory and folder stay within their bounds, the least recently used going first', async () => {
  const all = Array.from({ length: 6 }, () => stateOf())
  const cache = await cacheIn({ memoryBytesMax: 250, diskBytesMax: 3 * 132 })
  for (const fn of all) cache.give(fn, bytes(100))
  await cache.stop()
  expect(cache.status()).toMatchObject({ memoryBytes: 200, diskBytes: 3 * 132 })
  const next = await cacheIn()
  const found = await Promise.all(all.map(async (fn) => (await next.find(fn)) !== undefined))
  expect(found).toEqual([false, false, false, true, true, true])
})

it('a folder that cannot be written costs the files and nothing else', async () => {
  writeFileSync(join(folder, 'file'), '')
  const cache = await cacheIn({ store: { folder: join(folder, 'file'), key } })
  const fn = stateOf()
  cache.give(fn, bytes(100))
  await cache.stop()
  expect(await cache.find(fn)).toEqual(bytes(100))
  expect(cache.status()).toMatchObject({ unwritten: 1, diskBytes: 0 })
})

it('a worker has one word about code it compiled, of a bounded length', () => {
  const artifact = 100_000
  expect([codeStateOf(100, false, false), codeStateOf(artifact, true, true), codeStateOf(2 ** 23, false, false)]).toEqual([
    'never',
    'never',
    'never',
  ])
  expect(afterLoaded(codeStateOf(artifact, false, true), 1)).toBe('never')
  expect(afterLoaded(codeStateOf(artifact, false, true), 0)).toBe('wanted')
  expect(() => afterLoaded('wanted', 1)).toThrow('not given')
  expect(takeCode('wanted', false, artifact, Buffer.from('code'))).toEqual(new Uint8Array(Buffer.from('code')))
  for (const length of [0, 4 * artifact + 1]) expect(() => takeCode('wanted', false, artifact, Buffer.alloc(length))).toThrow('length')
  expect(() => takeCode('wanted', false, 2 ** 22, Buffer.alloc(2 ** 21 + 1))).toThrow('length')
  expect(() => takeCode('wanted', true, artifact, Buffer.alloc(9))).toThrow('nobody')
  for (const state of ['never', 'given'] as const) expect(() => takeCode(state, false, artifact, Buffer.alloc(9))).toThrow('nobody')
})

test('a later node starts a large function from what an earlier one compiled; errors and stacks are the same', async () => {
  const store = { codeStore: { folder, key }, spares: 1 }
  const works = defined('var main = (x) => { if (x) throw new Error("thrown"); log("said"); return [f7(1), typeof log] }')
  const fails = defined('if (globalThis.calls = 1) throw new Error("at the start");\nvar main = 1;')
  const first = serviceIn(world, store)
  await first.start()
  expect(valueOf(await first.invoke(callOf(works)))).toEqual([`8${'x'.repeat(30)}`, 'function'])
  const thrown = await first.invoke(callOf(works, [1]))
  const refused = await first.invoke(callOf(fails))
  await until(() => first.status().compiled.made === 1)
  expect(first.status().compiled).toMatchObject({ used: 0, rejected: 0 })
  await first.stop()

  const second = serviceIn(world, store)
  await second.start()
  expect(valueOf(await second.invoke(callOf(works)))).toEqual([`8${'x'.repeat(30)}`, 'function'])
  expect(second.status().compiled).toMatchObject({ used: 1, rejected: 0, forged: 0, made: 0 })
  const errorsOf = (...outcomes: (typeof thrown)[]) =>
    outcomes.map((each) => each.kind === 'failed' && [each.error.code, each.error.message, each.error.details])
  expect(errorsOf(await second.invoke(callOf(works, [1])), await second.invoke(callOf(fails)))).toEqual(errorsOf(thrown, refused))
  await second.stop()
})
