/** The plumbing of processes, on nodes that are only an HTTP server: what starts, waits, stops and is left behind. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isRunning, markOf, type ProcessMark, readUniverse, writeUniverse } from '#node/universe'
import { until } from '#protocols/until'
import { freePort } from '../universe/ports.fixture.ts'
import type { UniverseStatus } from './universe-status.ts'

/** The command line with nodes whose composition is a bare HTTP server that keeps its lock and its universe as a real one does. */
const FAKE = `
import { createServer } from 'node:http'
import { enableCompileCache } from 'node:module'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

enableCompileCache()
const { createIdentity, createUniverse, formatJoinToken, parseJoinToken } = await import('#protocols/access')
const { OsirisError } = await import('#protocols/errors')
const { endProcess, processIo, runCommand } = await import('#node/cli')

async function startNode(config, signal) {
  mkdirSync(config.dataDir, { recursive: true })
  if (config.name === 'broken') throw new OsirisError('unavailable', 'Cannot open the data directory: it cannot be written')
  if (config.universeName === 'slow' && config.name !== 'node-1') {
    setInterval(() => {}, 1000)
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new OsirisError('unavailable', 'Cannot start: it was interrupted'))))
  }
  const token = config.join[0]
  const universe = token === undefined ? createUniverse(config.universeName, createIdentity().id) : parseJoinToken(token).universe
  const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end('{"nodes":[{"connected":true},{"self":true,"connected":true}],"functions":[1,2]}'))
  await new Promise((resolve, reject) => server.once('error', reject).listen(config.httpPort, config.httpHost, resolve))
  writeFileSync(join(config.dataDir, 'lock'), '')
  return {
    name: config.name,
    http: 'http://127.0.0.1:' + server.address().port,
    p2p: ['/ip4/127.0.0.1/tcp/1/p2p/x'],
    peer: 'x',
    joinToken: formatJoinToken({ universe, bootstrap: ['/ip4/127.0.0.1/tcp/1/p2p/x'] }),
    developerToken: config.developerToken ?? (config.developer ? 'a.b.c' : ''),
    admission: { state: () => ({ state: 'admitted' }), onChange: () => () => {} },
    onTokens: () => {},
    async stop() {
      server.closeAllConnections()
      server.close()
      rmSync(join(config.dataDir, 'lock'))
    },
  }
}
endProcess(await runCommand(process.argv.slice(2), { ...processIo(), launcher: { command: process.execPath, args: [process.argv[1]] } }, { components: async () => ({ startNode }) }))
`

let dir: string
let script: string
let base: number
const children: ChildProcess[] = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-cli-'))
  script = join(dir, 'fake.mjs')
  // A file outside the package cannot use its imports (#node, #protocols).
  writeFileSync(
    script,
    FAKE.replaceAll(/'#(node|protocols)\/([a-z]+)'/g, (_all, room: string, name: string) => `'${fileOf(room, name)}'`),
  )
  base = await freePort()
})
afterEach(async () => {
  for (const each of children.splice(0)) if (each.exitCode === null && each.signalCode === null) each.kill('SIGKILL')
  for (const name of namesIn(join(dir, 'state'))) await run('universe', 'stop', name)
  rmSync(dir, { recursive: true, force: true })
})

const fileOf = (room: string, name: string) =>
  new URL(name === 'errors' ? `../../${room}/${name}.ts` : `../../${room}/${name}/index.ts`, import.meta.url).href
const namesIn = (state: string) =>
  existsSync(join(state, 'universes'))
    ? readdirSync(join(state, 'universes')).flatMap((each) => (each.endsWith('.json') ? [each.slice(0, -5)] : []))
    : []
const env = () => ({
  PATH: process.env['PATH'],
  HOME: dir,
  XDG_DATA_HOME: join(dir, 'data'),
  XDG_CONFIG_HOME: join(dir, 'config'),
  OSIRIS_STATE: join(dir, 'state'),
})

function begin(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [script, ...args], { env: env(), stdio: ['pipe', 'pipe', 'pipe'] })
  children.push(child)
  return child
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = begin(...args)
  let [out, err] = ['', '']
  child.stdout?.on('data', (text) => (out += String(text)))
  child.stderr?.on('data', (text) => (err += String(text)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

async function lineOf(child: ChildProcess, pattern: RegExp, from: 'stdout' | 'stderr' = 'stderr'): Promise<string> {
  for await (const line of createInterface({ input: child[from] as NodeJS.ReadableStream })) if (pattern.test(line)) return line
  throw new Error(`the process ended without a line like ${pattern}`)
}

const statusOf = async (...args: string[]) => JSON.parse((await run('universe', 'status', ...args, '--json')).out) as UniverseStatus
const lockOf = (node: string, universe = 'default') => join(dir, 'data', 'osiris', 'universes', universe, node, 'data', 'lock')

it('a detached universe is ready when the command returns, shows what DESIGN 4.6 says, and stops without a trace', async () => {
  const started = await run('universe', 'start', '--nodes', '3', '--detach', '--http-port', String(base), '--json')
  expect(started).toMatchObject({ code: 0, err: '' })
  const status = await statusOf()
  expect(status).toEqual(JSON.parse(started.out))
  expect(status.nodes.map((each) => Object.keys(each))).toEqual(
    Array.from({ length: 3 }, () => ['name', 'roles', 'http', 'p2p', 'pid', 'peers', 'functions', 'instances']),
  )
  expect(status.nodes.map(({ name, peers, functions }) => ({ name, peers, functions }))).toEqual(
    ['node-1', 'node-2', 'node-3'].map((name) => ({ name, peers: 1, functions: 2 })),
  )
  const again = await run('universe', 'start', '--detach')
  expect(again.code).toBe(1)
  expect(again.err).toMatch(/^osiris: Cannot start universe "default": it already runs \(3 of 3 nodes/)
  expect((await run('universe', 'stop')).code).toBe(0)
  for (const each of status.nodes) expect(markOf(each.pid as number)).toBeUndefined()
  expect(existsSync(lockOf('node-1'))).toBe(false)
  expect(namesIn(join(dir, 'state'))).toEqual([])
  expect((await run('universe', 'status')).code).toBe(3)
})

it('Ctrl-C on a universe in the foreground stops every node, exit 0', async () => {
  const child = begin('universe', 'start', '--nodes', '2', '--http-port', String(base))
  await lineOf(child, /Ctrl-C stops it/)
  const pids = (await statusOf()).nodes.map((each) => each.pid as number)
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(pids.map(markOf)).toEqual([undefined, undefined])
  expect([lockOf('node-1'), lockOf('node-2')].map(existsSync)).toEqual([false, false])
})

it('nodes in the foreground end by themselves when their supervisor is killed', async () => {
  const child = begin('universe', 'start', '--nodes', '2', '--http-port', String(base))
  await lineOf(child, /Ctrl-C stops it/)
  const added = (await run('universe', 'add')).out
  expect(added).toMatch(/^http:/)
  const pids = (await statusOf()).nodes.map((each) => each.pid as number)
  expect(pids).toHaveLength(3)
  child.kill('SIGKILL')
  await until(() => pids.every((pid) => markOf(pid) === undefined))
  expect(existsSync(lockOf('node-3'))).toBe(false)
})

it('a start that is killed before all are ready leaves nothing running, and the next one begins anew', async () => {
  const child = begin('universe', 'start', 'slow', '--nodes', '2', '--detach', '--http-port', String(base))
  await until(() => existsSync(lockOf('node-1', 'slow')))
  const marks = readUniverse(join(dir, 'state'), 'slow')?.nodes.map((each) => each.process as ProcessMark) ?? []
  child.kill('SIGKILL')
  await once(child, 'exit')
  const next = begin('universe', 'start', 'slow', '--nodes', '1', '--http-port', String(base))
  await lineOf(next, /Ctrl-C stops it/)
  expect(marks.map(isRunning)).toEqual([false, false])
  next.kill('SIGINT')
  expect(await once(next, 'exit')).toEqual([0, null])
})

it('Ctrl-C before a universe or a node is ready ends it at once, exit 0', async () => {
  for (const args of [
    ['universe', 'start', 'slow', '--nodes', '2'],
    ['node', 'start', '--universe-name', 'slow', '--name', 'ada', '--data', join(dir, 'ada')],
  ]) {
    const child = begin(...args, '--http-port', String(base))
    await until(() => existsSync(args[0] === 'node' ? join(dir, 'ada') : lockOf('node-1', 'slow')))
    const said = lineOf(child, /^Stopped before/)
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(await said).toMatch(/was ready$/)
    expect(existsSync(lockOf('node-1', 'slow'))).toBe(false)
  }
})

it('a killed node is shown as dead, and comes back by name on its port', async () => {
  await run('universe', 'start', '--nodes', '2', '--detach', '--http-port', String(base))
  const before = await statusOf()
  expect((await run('universe', 'kill', 'node-2')).code).toBe(0)
  expect((await statusOf()).nodes[1]).toMatchObject({ name: 'node-2', pid: null, peers: 0, functions: 0 })
  expect((await run('universe', 'status')).out).toMatch(/node-2 .* dead\n/)
  expect((await run('universe', 'kill', 'node-9')).code).toBe(3)
  expect((await run('universe', 'add', 'node-2')).code).toBe(0)
  const after = await statusOf()
  expect(after.nodes.map((each) => each.http)).toEqual(before.nodes.map((each) => each.http))
  expect(after.nodes[1]?.pid).not.toBe(before.nodes[1]?.pid)
})

it('two universes start at once on one range of ports and share none', async () => {
  const [a, b] = await Promise.all(
    ['a', 'b'].map((name) => run('universe', 'start', name, '--nodes', '2', '--detach', '--http-port', String(base))),
  )
  expect([a?.code, b?.code]).toEqual([0, 0])
  const all = [...(await statusOf('a')).nodes, ...(await statusOf('b')).nodes]
  expect(new Set(all.map((each) => each.http)).size).toBe(4)
  expect(`${a?.err}${b?.err}`).toContain(`Port ${base} is taken`)
  expect((await run('universe', 'stop', 'a')).code).toBe(0)
  expect((await statusOf('b')).nodes.every((each) => each.pid !== null)).toBe(true)
})

it('a stale state file neither blocks a start nor gets a stranger killed', async () => {
  const stranger = begin('universe', 'start', 'other', '--nodes', '1', '--http-port', String(base))
  await lineOf(stranger, /Ctrl-C stops it/)
  const state = join(dir, 'state')
  const mark = { pid: stranger.pid as number, startedAs: 'another time' }
  writeUniverse(state, {
    name: 'default',
    mode: 'processes',
    ready: true,
    supervisor: mark,
    dir,
    nodes: [{ name: 'node-1', roles: [], http: 'http://127.0.0.1:1', p2p: [], process: mark, dataDir: join(dir, 'x') }],
  })
  expect((await run('universe', 'stop')).code).toBe(0)
  expect(stranger.exitCode).toBeNull()
  expect(readUniverse(state, 'default')).toBeUndefined()
})

it('one node that cannot start stops the others, and its own sentence is shown', async () => {
  mkdirSync(join(dir, 'data', 'osiris', 'universes', 'default'), { recursive: true })
  writeFileSync(join(dir, 'data', 'osiris', 'universes', 'default', 'node-2'), 'in the way')
  const result = await run('universe', 'start', '--nodes', '2', '--detach', '--http-port', String(base))
  expect(result.code).not.toBe(0)
  expect(result.err).toMatch(/^osiris: Cannot /)
  expect(namesIn(join(dir, 'state'))).toEqual([])
})

it('a node tells when it is ready, is found by status, and stops by name', async () => {
  const child = begin('node', 'start', '--name', 'ada', '--http-port', String(base), '--json')
  const ready = JSON.parse(await lineOf(child, /ready/, 'stdout')) as Record<string, unknown>
  expect(ready).toMatchObject({ event: 'ready', name: 'ada', http: `http://127.0.0.1:${base}`, pid: child.pid })
  expect(JSON.stringify(ready)).not.toMatch(/osiris1\.|a\.b\.c/)
  expect(statSync(join(dir, 'state', 'nodes', 'ada.json')).mode & 0o777).toBe(0o600)
  const found = JSON.parse((await run('node', 'status', '--json')).out) as { nodes: { name: string; joinToken: string }[] }
  expect(found.nodes).toMatchObject([{ name: 'ada', peers: 1, functions: 2 }])

  const clash = await run('node', 'start', '--name', 'ada', '--data', join(dir, 'elsewhere'), '--http-port', '0')
  expect(clash).toMatchObject({
    code: 1,
    err: `osiris: Cannot start node "ada": a node of this name already runs here (pid ${child.pid}); --name chooses another\n`,
  })
  const taken = await run('node', 'start', '--name', 'bob', '--data', join(dir, 'bob'), '--http-port', String(base))
  expect(taken).toMatchObject({
    code: 1,
    err: `osiris: Cannot listen on 127.0.0.1:${base}: the port is taken; --http-port chooses another\n`,
  })
  const joined = begin('node', 'start', '--name', 'eve', '--data', join(dir, 'eve'), '--http-port', '0', '--join', '-', '--json')
  joined.stdin?.write(`${found.nodes[0]?.joinToken}\n`)
  await lineOf(joined, /ready/, 'stdout')

  expect((await run('node', 'stop')).err).toMatch(/^osiris: Cannot choose a node to stop: ada, eve run here/)
  expect((await run('node', 'stop', 'ada')).code).toBe(0)
  // It is gone before this process hears of it.
  await until(() => child.exitCode === 0)
  expect(existsSync(join(dir, 'state', 'nodes', 'ada.json'))).toBe(false)
})

it('what keeps a node from starting is one sentence with an exit code', async () => {
  expect(await run('node', 'start', '--name', 'broken')).toMatchObject({
    code: 5,
    out: '',
    err: 'osiris: Cannot open the data directory: it cannot be written\n',
  })
  expect(await run('node', 'start', '--join', 'osiris1.AAAA')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^osiris: Cannot read the join token: .*\n$/) as string,
  })
  expect(await run('node', 'start', '--http-port', 'many')).toMatchObject({
    code: 2,
    err: 'osiris: --http-port: expected a whole number between 0 and 65535\n',
  })
})

it.runIf(process.platform === 'linux')(
  'output that cannot be written is one sentence; messages that cannot be are no reason to end',
  () => {
    const full = openSync('/dev/full', 'w')
    const told = spawnSync(process.execPath, [script, '--version'], { env: env(), stdio: ['ignore', full, 'pipe'], encoding: 'utf8' })
    expect(told).toMatchObject({ status: 1, stderr: 'osiris: Cannot write the output: the disk is full\n' })
    const silent = spawnSync(process.execPath, [script, 'node', 'status'], { env: env(), stdio: ['ignore', 'pipe', full] })
    expect(silent.status).toBe(0)
    closeSync(full)
  },
)

it('a whole universe can live in one process', async () => {
  const child = begin('universe', 'start', '--nodes', '3', '--in-process', '--http-port', String(base))
  await lineOf(child, /Ctrl-C stops it/)
  const { nodes } = await statusOf()
  expect(nodes.map((each) => each.pid)).toEqual([child.pid, child.pid, child.pid])
  expect((await run('universe', 'kill', 'node-1')).code).toBe(1)
  expect((await run('universe', 'stop')).code).toBe(0)
  expect(isRunning(markOf(child.pid as number) ?? { pid: child.pid as number, startedAs: '' })).toBe(false)
  expect(existsSync(lockOf('node-2'))).toBe(false)
})
