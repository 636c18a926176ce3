/** A whole HTTP door over fakes, on a free port: for the tests of this room and of the SDK. */
import { Access, createIdentity, issueToken, type Capability, universeId } from '#protocols/access'
import { createEvents, type Events } from '#protocols/events'
import type { Invoker } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import type { Member } from '#protocols/network'
import { HttpServer, type HttpServerInit } from '../server.ts'
import { FakeBuilder } from './builder.ts'
import { FakeCatalog } from './catalog.ts'
import { createCalls } from './calls.ts'
import { FakeRouter } from './router.ts'
import { FakeTopics } from './topics.ts'

export { FakeBuilder, FakeCatalog, FakeRouter }

export interface FakeNode {
  server: HttpServer
  router: FakeRouter
  catalog: FakeCatalog
  topics: FakeTopics
  access: Access
  events: Events
  developerToken: string
  token: (can: Capability[], namespaces?: string[]) => Promise<string>
  init: HttpServerInit
}

const member: Member = {
  name: 'node-2',
  peer: 'peer-2',
  roles: ['executor'],
  addresses: ['/ip4/127.0.0.1/tcp/2'],
  capacity: 8,
  inFlight: 1,
  warm: [],
  functions: 0,
  protocol: { min: 1, max: 1 },
  seenAt: 0,
  connected: true,
}

const network: HttpServerInit['network'] = {
  peer: 'peer-1',
  members: { list: () => [member], get: () => member, withRole: () => [member], naming: () => [member], onChange: () => () => {} },
  addresses: () => ['/ip4/127.0.0.1/tcp/1'],
  connections: () => ['peer-2'],
}

/** Not started. With `developer: false` it is closed to callers without a token; `router` stands in for the fake one. */
export async function createFakeNode(
  options: Partial<Omit<HttpServerInit, 'developer' | 'router'>> & { developer?: boolean; router?: Invoker } = {},
): Promise<FakeNode> {
  const root = createIdentity()
  const access = new Access({ root: root.id, clock: systemClock })
  const token = (can: Capability[], namespaces = ['*']) => issueToken(root, 'ada', [{ can, namespaces }], Date.now() + 600_000)
  const developerToken = await issueToken(root, 'developer', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + 600_000)
  const catalog = new FakeCatalog()
  const router = new FakeRouter({ catalog, access })
  const topics = new FakeTopics(access)
  const events = createEvents()
  const { developer = true, router: ownRouter, ...rest } = options
  const init: HttpServerInit = {
    host: '127.0.0.1',
    port: 0,
    universe: { name: 'test', id: universeId({ root: root.id }) },
    self: {
      name: 'node-1',
      roles: ['router', 'catalog'],
      ready: () => true,
      status: () => ({ capacity: 4, inFlight: 0, functions: 0, warm: [] }),
    },
    router: ownRouter ?? router,
    calls: await createCalls({ router, access, events }),
    catalog,
    builder: new FakeBuilder(),
    topics,
    network,
    access,
    drain: () => Promise.resolve({ calls: 0 }),
    rotateNode: () =>
      Promise.resolve({ author: 'a'.repeat(64), to: 'b'.repeat(64), seq: 1, hash: 'c'.repeat(64), changed: true, holders: 1, catalogs: 1 }),
    scaling: { stateOf: () => Promise.resolve({ decider: network.peer, versions: [] }) },
    joinToken: () => 'osiris1.join',
    schedules: (_caller, namespace) =>
      catalog.list(namespace === undefined ? {} : { namespace }).flatMap(({ namespace: of, name, version, manifest }) => {
        const { schedule } = manifest.settings
        return schedule === null
          ? []
          : [{ namespace: of, name, version, ...schedule, nextAt: 0, owner: 'node-1', last: null, problem: null }]
      }),
    metrics: { contentType: 'text/plain; version=0.0.4', text: async () => 'up 1\n' },
    clock: systemClock,
    random: Math.random,
    events,
    ...(developer ? { developer: { token: developerToken } } : {}),
    ...rest,
  }
  return { server: new HttpServer(init), router, catalog, topics, access, events, developerToken, token, init }
}
