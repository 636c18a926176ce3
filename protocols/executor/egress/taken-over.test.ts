/** A worker that was taken over speaks of fetches: it is killed, or what it says is ignored, and the node connects to nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Outcome } from '#protocols/invocation'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'

/** Says what the call's first argument is the name of; `answer` answers afterwards. */
const LIAR = `
  const { Socket } = require('node:net'); const socket = new Socket({ fd: 3 })
  const frame = (kind, id, a = 0, b = 0, payload = '') => { const head = Buffer.alloc(17); head.writeUInt32LE(13 + Buffer.byteLength(payload)); head[4] = kind
    head.writeUInt32LE(id, 5); head.writeUInt32LE(a, 9); head.writeUInt32LE(b >>> 0, 13); return Buffer.concat([head, Buffer.from(payload)]) }
  socket.write(frame(32, 1)); socket.on('end', () => process.exit())
  let rest = Buffer.alloc(0), call = 0, instance = 0, answered = 0
  socket.on('data', (chunk) => { rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) { const size = 4 + rest.readUInt32LE(0); const [kind, id, a] = [rest[4], rest.readUInt32LE(5), rest.readUInt32LE(9)]
      const payload = rest.subarray(17, size); rest = rest.subarray(size)
      if (kind === 1) socket.write(frame(33, id))
      if (kind === 19 || kind === 16) answered++
      if (kind === 2) { call = id; instance = a; const [what, url] = JSON.parse(payload); for (const each of lies(url)[what]) socket.write(each)
        const at = Date.now(), tell = () => (what === 'flood' && answered < 1000) || Date.now() < at + 150 ? setTimeout(tell, 20) : socket.write(frame(35, call, 0, 0, JSON.stringify(answered)))
        tell() } } })
  const fetch = (parts = {}, body = '', id = 1) => { const head = JSON.stringify({ call, method: 'POST', url: parts.url, headers: [], redirect: 'follow', streams: false, ...parts })
    return frame(64, id, instance, Buffer.byteLength(head), head + body) }
  const lies = (url) => ({ good: [fetch({ url })], json: [frame(64, 1, instance, 4, 'nope')], long: [frame(64, 1, instance, 999, '{}')], none: [frame(64, 1, instance, 4, 'null')],
    method: [fetch({ url, method: 'GET / HTTP/1.1\\r\\nx: y' })], connect: [fetch({ url, method: 'connect' })], upper: [fetch({ url, headers: [['A', 'b']] })],
    crlf: [fetch({ url, headers: [['a', 'b\\r\\nc: d']] })], many: [fetch({ url, headers: Array.from({ length: 300 }, () => ['a', 'b']) })], redirect: [fetch({ url, redirect: 'x' })],
    negative: [fetch({ url, call: -1 })], url: [fetch({ url: 'x'.repeat(20000) })], both: [fetch({ url, streams: true }, 'body')], body: [fetch({ url }, 'x'.repeat(70000))],
    twice: [fetch({ url }), fetch({ url })], chunk: [fetch({ url }), frame(65, 1, instance, 0, 'x')], credit: [fetch({ url }), frame(68, 1, instance, 1)],
    window: [...Array.from({ length: 6 }, (_, at) => fetch({ url }, '', at + 1)), fetch({ url, streams: true }, '', 7), ...Array.from({ length: 6 }, () => frame(65, 7, instance, 0, 'x'.repeat(60000)))], instance: [frame(64, 1, 9999, 2, '{}')],
    foreign: [fetch({ url, call: call + 1 })], over: [frame(65, 77, instance, 0, 'x'), frame(66, 77, instance), frame(67, 77, instance), frame(68, 77, instance, 5)],
    flood: Array.from({ length: 5000 }, (_, at) => fetch({ url }, '', at + 1)), })`

const world = new World()
const folder = mkdtempSync(join(tmpdir(), 'osiris-'))
const workerEntry = join(folder, 'liar.cjs')
writeFileSync(workerEntry, LIAR)
const executor = serviceIn(world, { workerEntry, spares: 2, egressPrivate: true })
let server: Server
let connects = 0
let origin = ''
beforeAll(async () => {
  server = createServer((socket) => {
    connects++
    socket.on('error', () => {})
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await executor.start()
})
afterAll(async () => {
  await executor.stop()
  server.close()
  rmSync(folder, { recursive: true })
})

const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)
const say = (what: string, egress = [origin]) =>
  executor.invoke(callOf(world.define('export default 1', { config: { egress }, namespace: 'liar' }), [what, origin]))

test.each([
  ...['json', 'long', 'none', 'method', 'connect', 'upper', 'crlf', 'many', 'redirect', 'negative', 'url', 'both', 'body'],
  ...['twice', 'chunk', 'credit', 'window', 'instance'],
])('a worker that sends %s is killed', async (lie) => {
  expect(codeOf(await say(lie))).toBe('worker_crashed')
})

test('a fetch on the account of a call that is not its own is refused, words about none are ignored', async () => {
  connects = 0
  expect(valueOf(await say('foreign'))).toBe(1)
  expect(valueOf(await say('over'))).toBe(0)
  expect(connects).toBe(0)
})

test('what the function may not fetch, its worker may not either', async () => {
  connects = 0
  expect(valueOf(await say('good', []))).toBe(1)
  expect(connects).toBe(0)
  expect(valueOf(await say('good'))).toBe(0)
  expect(connects).toBe(1)
})

test('of thousands of fetches at most six connect, and no more are answered than a call’s refusals', async () => {
  connects = 0
  expect(valueOf(await say('flood'))).toBe(1000)
  expect(connects).toBeLessThanOrEqual(6)
})
