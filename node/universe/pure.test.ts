import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ROLES } from '#protocols/lifecycle'
import { locked, readJson, writeJson } from './files.ts'
import { RELEASE, watchLifeline } from './lifeline.ts'
import { explained } from './node-process.ts'
import { choosePorts } from './ports.ts'
import { indexOf, nextIndex, nodeNameAt, rolesAt } from './presets.ts'
import { isRunning, markOf, signal } from './process.ts'
import { nextLine } from './ready.ts'
import { readUniverse, universeStatePath } from './state.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-universe-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('five nodes have the roles of DESIGN, and every universe has every role the first node has', () => {
  expect([0, 1, 2, 3, 4].map(rolesAt)).toEqual([
    ['router', 'catalog', 'builder', 'executor'],
    ['catalog', 'executor'],
    ['router', 'executor'],
    ['catalog', 'builder'],
    ['router'],
  ])
  fc.assert(fc.property(fc.nat(1000), (index) => rolesAt(index).length > 0 && rolesAt(index).every((role) => ROLES.includes(role))))
})

it('names and places of nodes belong together', () => {
  fc.assert(fc.property(fc.nat(5000), (index) => indexOf(nodeNameAt(index)) === index))
  expect(nextIndex(['node-1', 'node-9', 'other'])).toBe(9)
  expect(nextIndex([])).toBe(0)
})

it('ports rise from the first free one and skip what is taken or promised', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 4747, max: 4760 })),
      fc.uniqueArray(fc.integer({ min: 4747, max: 4760 })),
      fc.integer({ min: 1, max: 6 }),
      async (taken, promised, count) => {
        const ports = await choosePorts(4747, count, new Set(promised), (port) => Promise.resolve(!taken.includes(port)))
        expect(ports).toHaveLength(count)
        const usable = Array.from({ length: 40 }, (_, at) => 4747 + at).filter((port) => !taken.includes(port) && !promised.includes(port))
        expect(ports).toEqual(usable.slice(0, count))
      },
    ),
  )
  await expect(choosePorts(65_535, 2, new Set(), () => Promise.resolve(true))).rejects.toMatchObject({ code: 'unavailable' })
})

it('a process is known by pid and start together', () => {
  const own = markOf(process.pid)
  expect(own).toBeDefined()
  expect(isRunning(own ?? { pid: 0, startedAs: '' })).toBe(true)
  const reused = { pid: process.pid, startedAs: 'some other time' }
  expect(isRunning(reused)).toBe(false)
  expect(signal(reused, 'SIGKILL')).toBe(false)
  expect(markOf(2 ** 22 + 1)).toBeUndefined()
})

it('a process that may open no more files takes nobody for gone, and sends no signal in doubt', () => {
  const code = `
    import { openSync } from 'node:fs'
    import { isRunning, markOf, signal } from ${JSON.stringify(new URL('process.ts', import.meta.url).href)}
    const own = markOf(process.pid)
    try { for (;;) openSync('/dev/null') } catch {}
    console.log(isRunning(own), isRunning({ pid: 2 ** 22 + 1, startedAs: own.startedAs }), signal(own, 'SIGKILL'))`
  const args = ['-c', 'ulimit -n 128 && exec "$0" "$@"', process.execPath, '--input-type=module', '--eval', code]
  expect(spawnSync('sh', args, { encoding: 'utf8' }).stdout).toBe('true false false\n')
})

it('files are written whole and for their owner only', () => {
  const path = join(dir, 'a', 'b.json')
  writeJson(path, { a: 1 })
  writeJson(path, { a: 2 })
  expect(readJson(path)).toEqual({ a: 2 })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(dir, 'a'))).toEqual(['b.json'])
  writeFileSync(join(dir, 'file'), '')
  expect(() => writeJson(join(dir, 'file', 'x.json'), 1)).toThrow(/^Cannot write /)
})

it('what is done under a lock is done one at a time, and a dead owner does not hold it', async () => {
  const path = join(dir, 'lock')
  writeFileSync(path, JSON.stringify({ pid: process.pid, startedAs: 'long ago' }))
  let inside = 0
  await Promise.all(
    Array.from({ length: 8 }, () =>
      locked(path, async () => {
        expect(++inside).toBe(1)
        await new Promise((resolve) => setImmediate(resolve))
        inside--
      }),
    ),
  )
  expect(readdirSync(dir)).toEqual([])
})

it('a torn or foreign state file is as none', () => {
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"name":"u"}',
    '{"name":"u","dir":"d","nodes":[{"name":1}]}',
    '{"name":"u","dir":"d","nodes":[{"name":"n","http":"x","roles":[],"p2p":[],"process":{"pid":"1"}}]}',
  ]) {
    writeJson(universeStatePath(dir, 'u'), 0)
    writeFileSync(universeStatePath(dir, 'u'), text)
    expect(readUniverse(dir, 'u')).toBeUndefined()
  }
})

it('a taken port is named with the option that changes it', () => {
  const config = { name: 'a', httpHost: '127.0.0.1', httpPort: 4747, p2pListen: ['/ip4/0.0.0.0/tcp/4748'] }
  const taken = (port: number, code = 'EADDRINUSE') => Object.assign(new Error('listen'), { code, syscall: 'listen', port })
  const sentence = (error: unknown) => (explained(error, config) as Error).message
  expect(sentence(taken(4747))).toBe('Cannot listen on 127.0.0.1:4747: the port is taken; --http-port chooses another')
  expect(sentence(new Error('outer', { cause: taken(4748) }))).toBe(
    'Cannot listen on /ip4/0.0.0.0/tcp/4748: the port is taken; --p2p-listen chooses another',
  )
  expect(sentence(new AggregateError([taken(4747, 'EACCES')]))).toBe(
    'Cannot listen on 127.0.0.1:4747: this user may not use the port; --http-port chooses another',
  )
  const other = new Error('something else')
  expect(explained(other, config)).toBe(other)
})

it('the line that says ready is found among others', async () => {
  const output = new PassThrough()
  output.write('noise\n{"event":"other"}\n{"event":"ready","name":"a"}\n')
  expect(await nextLine(output)).toEqual({ event: 'ready', name: 'a' })
  const ended = new PassThrough()
  ended.end('{"event":')
  expect(await nextLine(ended)).toBeUndefined()
})

it('a lifeline is cut when the input ends, or when the process is gone', async () => {
  const input = new PassThrough()
  const cut = new Promise<void>((resolve) => watchLifeline('stdin', input, resolve))
  input.end()
  await cut
  await new Promise<void>((resolve) => watchLifeline(JSON.stringify({ pid: process.pid, startedAs: 'before' }), input, resolve))
  let calls = 0
  const released = new PassThrough()
  watchLifeline('stdin', released, () => calls++)
  released.end(`${RELEASE}\n`)
  await once(released, 'close')
  for (const value of [undefined, '', 'nonsense', '{}']) watchLifeline(value, input, () => calls++)
  expect(calls).toBe(0)
})
