/** What `osiris call` and `osiris deploy` say of functions that are wrong: built, run in a worker, and told by the command line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BuilderService } from '#protocols/builder'
import { createEvents } from '#protocols/events'
import { ExecutorService } from '#protocols/executor'
import type { Payload } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { type Manifest, versionOf } from '#protocols/manifest'
import type { NodeApi } from './api.ts'
import { runCommand } from './program.ts'

const folder = fileURLToPath(new URL('../../fixtures/functions/broken/', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'osiris-bad-input-'))
const caller = { subject: 'ada' }
const published = new Map<string, { manifest: Manifest; artifact: Uint8Array }>()
const events = createEvents()
const builder = new BuilderService({ clock: systemClock, events, workDir: join(dir, 'builds'), nodeName: 'node-1' })
const executor = new ExecutorService({
  code: {
    record(namespace, name, version) {
      const { manifest } = published.get(version) as { manifest: Manifest }
      return { namespace, name, version, ordinal: 1, manifest, aliases: {}, versions: 1, publishedAt: 0, publishedBy: 'ada', author: '' }
    },
    artifact: (digest) =>
      Promise.resolve([...published.values()].find((each) => each.manifest.artifact.digest === digest)?.artifact as Uint8Array),
  },
  callOut: () => Promise.reject(new Error('nothing is called')),
  ...{ clock: systemClock, random: Math.random, events, nodeName: 'node-1', capacity: 10, spares: 1 },
})
beforeAll(async () => {
  await builder.start()
  await executor.start()
})
afterAll(async () => {
  await executor.stop()
  await builder.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** Builds the fixture and calls it; what a node does, less the catalog. */
async function call(name: string, payload: Payload, deadlineMs: number): Promise<unknown> {
  const entry = `${name}.ts`
  const source = { namespace: 'demo', name, entry, files: { [entry]: readFileSync(join(folder, entry), 'utf8') } }
  const { manifest, artifact } = await builder.build(source, { caller, timeoutMs: 10_000 })
  const version = versionOf(manifest)
  published.set(version, { manifest, artifact })
  const outcome = await executor.invoke({
    ...{ id: version.slice(0, 32), target: { namespace: 'demo', name }, version, payload, caller, hops: 0, depth: 0 },
    deadlineAt: systemClock.monotonic() + deadlineMs,
  })
  if (outcome.kind === 'failed') throw outcome.error
  return outcome
}

const ARGUMENTS: Payload = { kind: 'call', args: Buffer.from('[]') }
const REQUEST: Payload = { kind: 'fetch', method: 'GET', url: 'http://site.example/ada', headers: [] }

async function told(name: string, json: boolean, payload = ARGUMENTS, deadlineMs = 10_000) {
  let [out, err] = ['', '']
  const io = {
    env: { OSIRIS_STATE: dir },
    cwd: folder,
    out: (text: string) => (out += text),
    err: (text: string) => (err += text),
    stdin: Readable.from([]),
    tty: false,
    launcher: { command: '', args: [] },
    interrupted: () => new AbortController().signal,
  }
  const api = { call: () => call(name, payload, deadlineMs) } as unknown as NodeApi
  const code = await runCommand(['call', `demo/${name}`, ...(json ? ['--json'] : [])], io, { connect: () => Promise.resolve(api) })
  return { code, out, err }
}

it.each([
  ['no-default', 'build_failed', ['"no-default.ts" has no default export', 'it exports greet only']],
  ['number', 'build_failed', ['the default export of "number.ts" is a number; export a function']],
  ['syntax', 'build_failed', ['syntax.ts:3:17: Expected "}" but found "name"', '> 3 |   return { text name }']],
  ['unresolved', 'build_failed', ['Could not resolve "node:fs": it is a module of Node.js']],
  ['no-fetch', 'function_failed', ['Cannot load "no-fetch": the default export has no fetch method; export a function']],
  [
    'throws-while-loading',
    'function_failed',
    [
      'SyntaxError: Expected property name',
      'at read (throws-while-loading.ts:6:15)',
      'at throws-while-loading.ts:9:19',
      '> 6 |   return JSON.parse(text) as Settings',
    ],
  ],
  [
    'throws',
    'function_failed',
    [
      'Cannot run "demo/throws": Error: The order has no total',
      'at total (throws.ts:9:11)',
      'Caused by: TypeError: Cannot read properties of undefined',
      'at total (throws.ts:7:25)',
      ">  9 |     throw new Error('The order has no total', { cause })",
    ],
  ],
  ['rejects', 'function_failed', ['RangeError: Nobody answered', 'at ask (rejects.ts:5:9)', 'at async rejects (rejects.ts:9:10)']],
  ['cycle', 'result_not_serializable', ['Cannot return the result of "cycle": result.friends[0].friends[0] leads back to result']],
  ['big-int', 'result_not_serializable', ['result.items[1].total is a BigInt']],
  ['too-large', 'result_too_large', ['it is longer than 1048576 bytes (execution.result)']],
])('%s: %s, and why', async (name, code, parts) => {
  const { err, ...rest } = await told(name, false)
  expect(rest).toEqual({ code: 1, out: '' })
  expect(err).toMatch(/^osiris: Cannot /)
  for (const part of parts) expect(err).toContain(part)
  for (const ours of ['osiris:', '<isolated-vm', '/protocols/', '.generated', dir]) expect(err.slice('osiris: '.length)).not.toContain(ours)
  const json = JSON.parse((await told(name, true)).err) as { code: string; message: string; stack?: string }
  expect(json.code).toBe(code)
  expect(parts.every((part) => `${json.message}\n${json.stack ?? ''}`.includes(part) || part.startsWith('> '))).toBe(true)
})

it('a top-level await that never ends is deadline_exceeded, exit code 6', async () => {
  const { code, err } = await told('never-ready', false, ARGUMENTS, 300)
  expect([code, err]).toEqual([6, expect.stringMatching(/^osiris: Cannot run "demo\/never-ready": its module was not ready within \d+ ms/)])
})

it('a web function’s throw has its places as well', async () => {
  const { err } = await told('web-throws', false, REQUEST)
  expect(err).toContain("TypeError: Cannot read properties of undefined (reading 'name')\n    at Object.fetch (web-throws.ts:6:31)\n")
})
