/** A universe of real node processes over TCP: the main job end to end, deaths included. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { UniverseStatus } from '#node/cli'
import { createIdentity, createUniverse } from '#protocols/access'
import { connect } from '#sdk'
import { freePort } from './ports.fixture.ts'
import { readNode, universeNodesDir } from './state.ts'

let port: number
const main = join(import.meta.dirname, '..', 'cli', 'main.ts')
const functions = join(import.meta.dirname, '..', '..', 'fixtures', 'functions')
let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-real-'))
  port = await freePort()
  await done('universe', 'start', '--nodes', '5', '--detach', '--http-port', String(port))
  await done('deploy', functions)
})
afterAll(async () => {
  await osiris('universe', 'stop')
  await osiris('universe', 'stop', 'other')
  rmSync(dir, { recursive: true, force: true })
})

function osiris(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = {
    PATH: process.env['PATH'],
    HOME: dir,
    XDG_DATA_HOME: join(dir, 'data'),
    OSIRIS_STATE: join(dir, 'state'),
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    )
  })
}

async function done(...args: string[]): Promise<void> {
  const { code, err } = await osiris(...args)
  if (code !== 0) throw new Error(`osiris ${args.join(' ')} ended with ${code}: ${err}`)
}

/** What `fixtures/functions/osiris.yaml` deploys. */
const FUNCTIONS = 8

const status = async (name = 'default') => JSON.parse((await osiris('universe', 'status', name, '--json')).out) as UniverseStatus
const eventually = async <T>(what: () => Promise<T>, holds: (value: T) => boolean, boundMs = 10_000): Promise<T> => {
  const end = performance.now() + boundMs
  for (;;) {
    const value = await what()
    if (holds(value)) return value
    if (performance.now() > end) throw new Error(`it did not come to pass within ${boundMs} ms: ${JSON.stringify(value)}`)
    await sleep(50)
  }
}
const call = async (http: string, args: unknown[]) => {
  const response = await fetch(`${http}/v1/call/demo/greet`, { method: 'POST', body: JSON.stringify(args) })
  return { status: response.status, value: (await response.json()) as unknown }
}

it('every node answers a call, whatever its roles', async () => {
  const { nodes } = await eventually(status, (each) => each.nodes.every((node) => node.peers === 4 && node.functions === FUNCTIONS))
  for (const { http } of nodes) {
    expect(await call(http, ['Ada', 2])).toEqual({ status: 200, value: { hello: 'Ada', times: 2 } })
    expect((await osiris('call', 'demo/greet', '"Ada"', '2', '--node', http)).out).toBe('{"hello":"Ada","times":2}\n')
    expect(await (await fetch(`${http}/ping`)).text()).toBe('PONG')
    expect(await (await fetch(`${http}/v1/fetch/demo/site/a/b`)).text()).toContain('<code>/a/b</code>')
  }
})

it('a version that is rolled back is the old one on every node', async () => {
  const first = (nodes: UniverseStatus['nodes']) => nodes[0]?.http ?? ''
  const { nodes } = await status()
  const api = await connect(first(nodes))
  await api.deploy({ namespace: 'demo', name: 'word', source: 'export default () => "one"' })
  await api.deploy({ namespace: 'demo', name: 'word', source: 'export default () => "two"' })
  const said = (http: string) => fetch(`${http}/v1/call/demo/word`, { method: 'POST' }).then((each) => each.json() as Promise<unknown>)
  const all = () => Promise.all(nodes.map((each) => said(each.http)))
  await eventually(all, (words) => words.every((each) => each === 'two'))
  expect((await osiris('function', 'rollback', 'demo/word')).err).toMatch(/^Live again: demo\/word v1\n/)
  await eventually(all, (words) => words.every((each) => each === 'one'))
  expect((await osiris('function', 'remove', 'demo/word')).code).toBe(0)
  await eventually(
    () => Promise.all(nodes.map((each) => fetch(`${each.http}/v1/call/demo/word`, { method: 'POST' }).then((answer) => answer.status))),
    (codes) => codes.every((each) => each === 404),
  )
})

it('an executor killed during calls costs nothing but typed errors, and comes back with everything it had', async () => {
  const { nodes } = await status()
  const entry = nodes[4]?.http ?? ''
  const answers: number[] = []
  const enough = new AbortController()
  const caller = async () => {
    while (!enough.signal.aborted) answers.push((await call(entry, ['Ada'])).status)
  }
  const callers = [caller(), caller(), caller()]
  await eventually(
    () => Promise.resolve(answers.length),
    (count) => count > 50,
  )
  expect((await osiris('universe', 'kill', 'node-2')).code).toBe(0)
  const at = answers.length
  await eventually(
    () => Promise.resolve(answers.length),
    (count) => count > at + 200,
  )
  enough.abort()
  await Promise.all(callers)
  expect(answers.filter((each) => each !== 200 && each !== 502 && each !== 503)).toEqual([])
  expect(answers.slice(-50).every((each) => each === 200)).toBe(true)
  expect((await status()).nodes[1]).toMatchObject({ pid: null })
  expect((await osiris('universe', 'add', 'node-2')).code).toBe(0)
  const back = await eventually(status, (each) => each.nodes[1]?.functions === FUNCTIONS && each.nodes[1].peers === 4)
  expect(await call(back.nodes[1]?.http ?? '', ['Ada'])).toMatchObject({ status: 200 })
})

it('a node that joins late serves what was there', async () => {
  const added = await osiris('universe', 'add', '--roles', 'catalog,executor,router')
  expect(added.code).toBe(0)
  await eventually(status, (each) => each.nodes[5]?.functions === FUNCTIONS)
  expect(await call(added.out.trim(), ['Eve'])).toEqual({ status: 200, value: { hello: 'Eve', times: 1 } })
})

it('two universes on one machine never meet', async () => {
  const started = await osiris('universe', 'start', 'other', '--nodes', '1', '--detach', '--http-port', String(port))
  expect(started).toMatchObject({ code: 0, err: expect.stringContaining(`Port ${port} is taken`) as string })
  const state = join(dir, 'state')
  expect((await status('other')).nodes).toMatchObject([{ peers: 0, functions: 0 }])
  const { nodes } = await status('other')
  expect((await call(nodes[0]?.http ?? '', ['Ada'])).status).toBe(404)
  const own = await status()
  const foreign = await fetch(`${nodes[0]?.http}/v1/functions`, {
    headers: { 'osiris-token': readNode(universeNodesDir(state, 'default'), own.nodes[0]?.name ?? '')?.developerToken ?? '' },
  })
  expect(foreign.status).toBe(401)
})

it('a data directory in use, a port in use, a token of another universe and a cut one are refused in one sentence', async () => {
  const taken = join(dir, 'data/osiris/universes/default/node-1/data')
  const second = await osiris(
    'node',
    'start',
    '--name',
    'second',
    '--data',
    taken,
    '--http-port',
    '0',
    '--p2p-listen',
    '/ip4/127.0.0.1/tcp/0',
  )
  expect(second).toMatchObject({ code: 1, err: `osiris: Cannot open the data directory ${taken}: another process is using it\n` })
  const third = await osiris(
    'node',
    'start',
    '--name',
    'third',
    '--data',
    join(dir, 'third'),
    '--http-port',
    String(port),
    '--p2p-listen',
    '/ip4/127.0.0.1/tcp/0',
  )
  expect(third).toMatchObject({
    code: 1,
    err: `osiris: Cannot listen on 127.0.0.1:${port}: the port is taken; --http-port chooses another\n`,
  })
  const own = readNode(universeNodesDir(join(dir, 'state'), 'default'), 'node-1')?.joinToken ?? ''
  const settings = ['--name', 'fourth', '--data', join(dir, 'third'), '--http-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']
  // The third failed, and so belongs nowhere yet.
  writeFileSync(join(dir, 'third', 'universe.json'), JSON.stringify(createUniverse('default', createIdentity().id)))
  const foreign = await osiris('node', 'start', ...settings, '--join', own)
  expect(foreign).toMatchObject({
    code: 4,
    err: expect.stringMatching(/^osiris: Cannot join universe "default" .* belongs to "default" .*\n$/) as string,
  })
  expect(await osiris('node', 'start', ...settings, '--join', own.slice(0, -9))).toMatchObject({ code: 2 })
})
