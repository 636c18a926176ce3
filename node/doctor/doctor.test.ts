import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type DoctorConfig, examine } from './doctor.ts'
import { isFit } from './finding.ts'
import { type DoctorHost, doctorHost } from './host.ts'

const config: DoctorConfig = {
  dataDir: '/data',
  httpHost: '127.0.0.1',
  httpPort: 4747,
  p2pListen: ['/ip4/0.0.0.0/tcp/4748', '/dns4/a.example/tcp/4749', '/ip4/127.0.0.1/tcp/0'],
  walls: 'auto',
}
const healthy: DoctorHost = {
  nodeVersion: '26.10.0',
  nowMs: () => Date.UTC(2026, 10, 22),
  availableBytes: () => 4e9,
  openFilesMax: () => 65_536,
  roomIn: () => 50e9,
  portInUse: async () => undefined,
  walls: async () => ({
    bubblewrap: 'bubblewrap 0.8.0',
    walls: [{ wall: 'files', state: 'stands', by: 'bubblewrap' }],
    worker: { ready: true, ms: 150 },
  }),
}
const look = async (change: Partial<DoctorHost>, settings: Partial<DoctorConfig> = {}, inUse: number[] = []) => {
  const findings = await examine({ ...config, ...settings }, new Set(inUse), { ...healthy, ...change })
  return { fit: isFit(findings), bad: findings.filter((each) => each.state !== 'ok'), all: findings.map((each) => each.check) }
}

test('a healthy host has nothing to be told', async () => {
  const { fit, bad, all } = await look({})
  expect([fit, bad]).toEqual([true, []])
  expect(all).toEqual(['node', 'worker', 'bubblewrap', 'wall: files', 'memory', 'open files', 'data', 'http port', 'p2p port', 'clock'])
})
test.each<[string, Partial<DoctorHost>]>([
  ['node', { nodeVersion: '20.1.0' }],
  ['worker', { walls: async () => ({ bubblewrap: 'b', walls: [], worker: { ready: false, why: 'it ended with code 1' } }) }],
  [
    'data',
    {
      roomIn: () => {
        throw Object.assign(new Error('no'), { code: 'EACCES' })
      },
    },
  ],
  ['clock', { nowMs: () => 0 }],
])('without %s no node runs', async (check, change) => {
  const { fit, bad } = await look(change)
  expect([fit, bad]).toMatchObject([false, [{ check, state: 'missing', fix: expect.any(String) }]])
})
test.each<[string, Partial<DoctorHost>]>([
  ['bubblewrap', { walls: async () => ({ walls: [], worker: { ready: true, ms: 1 } }) }],
  ['memory', { availableBytes: () => 1e8 }],
  ['open files', { openFilesMax: () => 256 }],
  ['data', { roomIn: () => 1e6 }],
  ['http port', { portInUse: async (_, port) => (port === 4747 ? 'EADDRINUSE' : undefined) }],
])('less %s is said, and is no reason not to run', async (check, change) => {
  const { fit, bad } = await look(change)
  expect([fit, bad]).toMatchObject([true, [{ check, state: 'weaker', fix: expect.any(String) }]])
})
test('a port that a node of this host holds is as it should be', async () => {
  expect(await look({ portInUse: async () => 'EADDRINUSE' }, {}, [4747, 4748])).toMatchObject({ fit: true, bad: [] })
})
test('walls that an operator demands are needed, others are not', async () => {
  const walls: DoctorHost['walls'] = async () => ({
    bubblewrap: 'b',
    walls: [
      { wall: 'files', state: 'missing', by: 'no namespaces' },
      { wall: 'memory', state: 'weaker', by: 'watched' },
      { wall: 'tasks', state: 'missing', by: 'no controller' },
    ],
    worker: { ready: true, ms: 1 },
  })
  expect(await look({ walls })).toMatchObject({ fit: true })
  const { fit, bad } = await look({ walls }, { walls: 'required' })
  expect([fit, bad.map((each) => each.required)]).toEqual([false, [true, true, false]])
})
test('the real host: a worker starts, a taken port is seen, a folder that is not there yet is judged by its parent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'osiris-doctor-'))
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const findings = await examine({ ...config, dataDir: join(folder, 'a/b'), httpPort: port, p2pListen: [] }, new Set(), doctorHost())
  taken.close()
  rmSync(folder, { recursive: true })
  const states = Object.fromEntries(findings.map((each) => [each.check, each.state]))
  expect(states).toMatchObject({ worker: 'ok', node: 'ok', 'http port': 'weaker', clock: 'ok' })
  expect(Object.keys(states).filter((check) => check.startsWith('wall: '))).toHaveLength(9)
  expect(findings.find((each) => each.check === 'data')?.state).not.toBe('missing')
})
