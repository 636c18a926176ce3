import { spawn } from 'node:child_process'
import { connect as connectSocket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createIdentity, createUniverse } from '#protocols/access'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { createHost, type Host } from './libp2p-host.ts'
import { assemble, type Libp2pNetworkInit } from './libp2p.ts'
import { networkSuite } from './network.suite.ts'
import type { Network } from './network.ts'
import { failure } from './suite-tools.fixture.ts'

const universe = createUniverse('suite', createIdentity().id)

function initOf(name: string, part: Partial<Libp2pNetworkInit> = {}): Libp2pNetworkInit {
  return {
    seed: createIdentity().seed,
    universe,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    beat: { name, roles: ['executor'], capacity: 10 },
    dht: true,
    clock: systemClock,
    random: Math.random,
    events: createEvents(),
    ...part,
  }
}

networkSuite('libp2p', () => {
  const nodes = new Map<Network, Host>()
  return {
    async add({ name, roles = [], seed = createIdentity().seed, universe: other }) {
      const bootstrap = other === undefined ? [...nodes.keys()].flatMap((each) => each.addresses()) : []
      const listen = roles.length === 0 ? [] : ['/ip4/127.0.0.1/tcp/0']
      const init = initOf(name, { seed, listen, bootstrap, universe: other ?? universe, beat: { name, roles, capacity: 10 } })
      const { network, host } = await assemble(init, 0)
      await network.start()
      nodes.set(network, host)
      return network
    },
    async kill(network) {
      await nodes.get(network)?.stop()
      await network.stop()
    },
    async stop() {
      await Promise.all([...nodes.keys()].map((network) => network.stop()))
    },
  }
})

describe('libp2p', () => {
  const stops: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
  })

  async function start(init: Libp2pNetworkInit): Promise<Network> {
    const { network } = await assemble(init, 0)
    stops.push(() => network.stop())
    await network.start()
    return network
  }

  it('is ready within 300 ms, alone', async () => {
    const { network } = await assemble(initOf('alone'), 0)
    stops.push(() => network.stop())
    const before = performance.now()
    await network.start()
    expect(performance.now() - before).toBeLessThan(300)
    await network.publish('news', new Uint8Array([1]))
  })

  it('says which state keeps it from starting', async () => {
    const first = await start(initOf('first'))
    const taken = String(first.addresses()[0]).replace(/\/p2p\/.*$/, '')
    const { network } = await assemble(initOf('second', { listen: [taken] }), 0)
    expect(await failure(network.start())).toMatchObject({ code: 'unavailable', message: expect.stringContaining('in use') })
    await network.stop()
  })

  it('keeps apart two universes with one root and two secrets', async () => {
    const a = await start(initOf('a'))
    const b = await start(initOf('b', { universe: { ...universe, secret: 'ef'.repeat(32) } }))
    expect((await failure(a.dial(String(b.addresses()[0]), { timeoutMs: 300 }))).message).toContain('wrong universe key')
    expect(b.connections()).toEqual([])
  })

  it('answers for the DHT before it has anything to say there itself', async () => {
    const judge = (): string => 'a'
    const [late, asker] = await Promise.all([0, 0].map((_, at) => assemble(initOf(`n${at}`), at === 0 ? 3_600_000 : 0)))
    const nodes = [late!, asker!]
    for (const { network } of nodes) {
      stops.push(() => network.stop())
      network.judgeRecords('test', judge)
    }
    await late!.network.start()
    await asker!.network.start()
    await asker!.network.dial(String(late!.network.addresses()[0]), { timeoutMs: 1_000 })
    const key = 'ab'.repeat(32)
    const said = new Uint8Array([7])
    const heard = () => late!.host.services.dht.records.best('test', key)
    await until(
      () => {
        asker!.network.putRecord('test', key, said)
        return heard() !== undefined
      },
      5_000,
      100,
    )
    expect(heard()).toEqual(said)
  })

  it('ends a connection whose other end stands still', async () => {
    const { network: a } = await assemble(initOf('a'), 3_600_000, 400)
    stops.push(() => a.stop())
    await a.start()
    const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
      cwd: import.meta.dirname,
      env: { ...process.env, OSIRIS_TEST: JSON.stringify({ universe, bootstrap: a.addresses() }) },
      stdio: 'inherit',
    })
    stops.push(async () => void child.kill('SIGKILL'))
    await until(() => a.connections().length === 1, 10_000)
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(a.connections()).toHaveLength(1)
    child.kill('SIGSTOP')
    await until(() => a.connections().length === 0, 5_000)
  })

  it('never makes a host without a whole key', async () => {
    const dht = { enabled: false, protocol: '/x', client: true, startAfterMs: 0, clock: systemClock, onError: () => {} }
    const host = createHost({ seed: createIdentity().seed, swarmKey: new Uint8Array(31), listen: [], prefix: 'x', dht })
    expect(await failure(host)).toMatchObject({ message: 'Cannot make a host: the swarm key is not 32 bytes' })
  })

  it('buries a process that was killed, and its callers hear of it at once', async () => {
    const a = await start(initOf('a'))
    const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
      cwd: import.meta.dirname,
      env: { ...process.env, OSIRIS_TEST: JSON.stringify({ universe, bootstrap: a.addresses() }) },
      stdio: 'inherit',
    })
    stops.push(async () => void child.kill('SIGKILL'))
    await until(() => a.members.list().length === 1, 10_000)
    const { peer } = a.members.list()[0] ?? { peer: '' }
    const answer = failure(a.request(peer, 'hang/1', { head: new Uint8Array() }, { timeoutMs: 20_000 }))
    await a.request(peer, 'echo/1', { head: new Uint8Array() }, { timeoutMs: 5_000 })
    child.kill('SIGKILL')
    expect(await answer).toMatchObject({ code: 'outcome_unknown', details: { sent: true } })
    await until(() => a.members.list().length === 0, 2_000)
  })

  it('lives through sockets that send garbage, nothing, or hang up', async () => {
    const a = await start(initOf('a'))
    const port = Number(/tcp\/(\d+)/.exec(String(a.addresses()[0]))?.[1])
    const sockets = Array.from({ length: 60 }, (_, index) => {
      const socket = connectSocket(port, '127.0.0.1').on('error', () => {})
      socket.once('connect', () => {
        if (index % 3 === 0) socket.write(Buffer.alloc(5_000, index))
        if (index % 3 === 1) socket.resetAndDestroy()
      })
      return socket
    })
    stops.push(async () => sockets.forEach((socket) => socket.destroy()))
    const b = await start(initOf('b', { bootstrap: a.addresses() }))
    await until(() => b.members.list().length === 1, 2_000)
    expect(a.connections()).toEqual([b.peer])
  })

  it('sixteen nodes on one address all know each other', async () => {
    const first = await start(initOf('n0', { dht: false }))
    const others = Array.from({ length: 15 }, (_, index) => start(initOf(`n${index + 1}`, { bootstrap: first.addresses(), dht: false })))
    const nodes = [first, ...(await Promise.all(others))]
    const counts = () => nodes.map((node) => node.members.list().length)
    await until(() => counts().every((count) => count === 15), 15_000)
    expect(counts()).toEqual(nodes.map(() => 15))
  }, 30_000)
})

/** A node in its own process. */
const CHILD = `
const { createLibp2pNetwork } = await import('./index.ts')
const { createEvents } = await import('../events.ts')
const { systemClock } = await import('../lifecycle.ts')
const network = await createLibp2pNetwork({
  ...JSON.parse(process.env.OSIRIS_TEST),
  seed: crypto.getRandomValues(new Uint8Array(32)),
  listen: ['/ip4/127.0.0.1/tcp/0'],
  beat: { name: 'child', roles: ['executor'], capacity: 1 },
  dht: false,
  clock: systemClock,
  random: Math.random,
  events: createEvents(),
})
network.handle('hang/1', () => new Promise(() => {}))
network.handle('echo/1', async ({ head }) => ({ head }))
await network.start()
`
