/** What real node processes promise besides calls: nothing acknowledged is lost, doors are closed by default, nothing is left behind. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { markOf } from '#node/universe'
import { freePort } from './universe/ports.fixture.ts'

interface StatusNode {
  name: string
  roles: string[]
  http: string
  p2p: string[]
  pid: number | null
  peers: number
  functions: number
}

const BIN = fileURLToPath(new URL('./cli/bin.js', import.meta.url))
const GREET = fileURLToPath(new URL('../fixtures/functions/greet.ts', import.meta.url))

let dir: string
const children: ChildProcess[] = []
const env = () => ({
  PATH: process.env['PATH'],
  HOME: dir,
  XDG_DATA_HOME: join(dir, 'data'),
  XDG_STATE_HOME: join(dir, 'state'),
  XDG_CONFIG_HOME: join(dir, 'config'),
})

function osiris(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], { env: env() }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}
const ok = async (...args: string[]) => {
  const result = await osiris(...args)
  expect(result).toMatchObject({ code: 0 })
  return result.out
}
const nodes = async () => (JSON.parse(await ok('universe', 'status', '--json')) as { nodes: StatusNode[] }).nodes
const post = (http: string, path: string, body: string) => fetch(http + path, { method: 'POST', body, signal: AbortSignal.timeout(20_000) })
const greet = async (http: string, name: string) => (await post(http, '/v1/call/demo/greet', JSON.stringify([name, 2]))).json()

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-processes-'))
  await ok('universe', 'start', '--detach', '--http-port', String(await freePort()))
  await ok('deploy', GREET, '--namespace', 'demo')
}, 60_000)

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await osiris('universe', 'stop')
  rmSync(dir, { recursive: true, force: true })
}, 30_000)

it('a version that was acknowledged survives the kill of the node that took it in', async () => {
  const all = await nodes()
  const taker = all[3] as StatusNode
  const source = 'export default () => "still here"'
  const answer = await fetch(`${taker.http}/v1/functions/demo/kept`, {
    method: 'PUT',
    body: JSON.stringify({ source }),
    headers: { 'content-type': 'application/json' },
  })
  expect(answer.status).toBe(201)
  process.kill(taker.pid as number, 'SIGKILL')
  for (const { http } of all.filter((each) => each !== taker))
    expect(await (await post(http, '/v1/call/demo/kept', '[]')).json()).toBe('still here')
  await ok('universe', 'add', taker.name)
  expect(await (await post(taker.http, '/v1/call/demo/kept', '[]')).json()).toBe('still here')
}, 30_000)

it('a node of its own joins late by token, serves, and a second process on its directory is refused', async () => {
  const { join: joinToken } = (await (await fetch(`${((await nodes())[0] as StatusNode).http}/v1/network/join`)).json()) as { join: string }
  const data = join(dir, 'late')
  const place = ['--data', data, '--http-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']
  const args = ['node', 'start', '--name', 'late', '--roles', 'router,executor', ...place, '--json', '--join', joinToken]
  const late = spawn(process.execPath, [BIN, ...args], { env: env(), stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(late)
  const [line] = (await once(createInterface(late.stdout), 'line')) as [string]
  const { http } = JSON.parse(line) as { http: string }
  expect((await (await fetch(`${http}/livez`)).json()) as unknown).toBeTruthy()
  // Closed to callers without a grant: it was not started as a developer's.
  const refused = await post(http, '/v1/call/demo/greet', '["Eve"]')
  expect(refused.status).toBe(401)
  expect(JSON.parse(await ok('call', 'demo/greet', 'Ada', '2', '--node', http))).toEqual({ hello: 'Ada', times: 2 })
  // Whoever is on its machine is told how it is all the same.
  const [shown] = (JSON.parse(await ok('node', 'status', 'late', '--json')) as { nodes: StatusNode[] }).nodes
  expect(shown?.peers).toBeGreaterThanOrEqual(1)
  expect(shown?.functions).toBeGreaterThanOrEqual(2)
  expect(await ok('node', 'status', 'late')).not.toContain('no answer')

  const second = await osiris('node', 'start', '--name', 'other', ...place)
  expect(second.code).not.toBe(0)
  expect(second.err).toMatch(/^osiris: Cannot open the data directory .*: another process is using it\n$/)
  late.kill('SIGTERM')
  expect(await once(late, 'exit')).toEqual([0, null])
}, 30_000)

it('stop leaves no process and no lock', async () => {
  const pids = (await nodes()).flatMap((each) => each.pid ?? [])
  expect(pids).toHaveLength(5)
  await ok('universe', 'stop')
  for (const pid of pids) expect(markOf(pid)).toBeUndefined()
  await ok('universe', 'start', '--detach', '--http-port', String(await freePort()))
  expect(await greet(((await nodes())[2] as StatusNode).http, 'back')).toEqual({ hello: 'back', times: 2 })
}, 30_000)
