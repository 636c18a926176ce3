/** The document that a node gives of its HTTP interface, and the node, held against each other: generated requests, no 5xx, every answer as it says. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createIdentity } from '#protocols/access'
import { until } from '#protocols/until'
import { connect } from '#sdk'
import type { RunningNode } from '#node/universe'
import { TestMesh } from './components.fixture.ts'
import { type Document, faultsOf, type Operation, operationsOf, type Pool, requestsOf, send } from './openapi.world.ts'

/** Requests to each operation; `OSIRIS_OPENAPI_RUNS=1000 npx vitest run node/openapi.test.ts`. */
const RUNS = Number(process.env['OSIRIS_OPENAPI_RUNS'] ?? 10)
/** The node takes no more work after it. */
const LAST = '/v1/drain'
/** The node takes itself down and comes back as another one. */
const NOT_ASKED = '/v1/rotation'

let mesh: TestMesh
let node: RunningNode
let operations: Operation[]
let pool: Pool

beforeAll(async () => {
  mesh = await TestMesh.create()
  node = await mesh.add(['router', 'catalog', 'builder', 'executor'])
  const document = (await (await fetch(`${node.http}/v1/openapi.json`)).json()) as Document
  operations = operationsOf(document).filter(({ path }) => path !== NOT_ASKED)
  const osiris = await connect(node.http)
  const ada = createIdentity().id
  await osiris.namespaces.create('demo', ada)
  const greet = 'export default (...all) => all'
  const site = 'export default { fetch: async (request) => new Response(await request.text()), message() {}, scheduled() {} }'
  const deploy = (name: string, source: string, config = {}) =>
    osiris.deploy({ namespace: 'demo', name, source, language: 'javascript', config })
  const { version } = await deploy('greet', greet, { schedule: '0 0 1 1 *' })
  await deploy('bad', `export default { message() { throw new Error('no') } }`, { subscribe: [{ topic: 'bad', attempts: 1 }] })
  await deploy('greet', `${greet} // again`, { schedule: '0 0 1 1 *' })
  await deploy('site', site, { routes: ['/site/*'], access: 'public', subscribe: ['orders.*'] })
  const { id: call } = await osiris.start('demo/greet', [1])
  await osiris.publish('demo/bad', 1)
  await until(async () => (await osiris.topics.deadLetters('demo')).length > 0, 20_000, 50)
  const [dead] = await osiris.topics.deadLetters('demo')
  const [grant] = await osiris.grants.list({})
  pool = {
    namespace: ['demo', 'demo', 'demo', 'demo', 'demo', 'other', '*'],
    name: ['greet', 'greet', 'greet', 'site', 'site', 'site', 'made', 'greet@live'],
    alias: ['live', 'canary'],
    version: ['v1', 'v2', version, version.slice(0, 8)],
    host: ['shop.example.org', '*', 'localhost'],
    hash: [grant?.hash ?? '', 'ab'.repeat(32)],
    issuer: [ada],
    key: [ada, 'k1'],
    owner: [ada],
    from: [ada],
    to: [ada],
    id: [call, dead?.id, 'ab'.repeat(16)],
    topic: ['orders.new', 'orders', 'none'],
    rest: ['', 'a', 'a/b?c=d'],
    arg: ['1', '"a"', '[]'],
    prefer: ['respond-async', 'return=minimal'],
    'idempotency-key': ['k1', 'k2', 'k3'],
    'osiris-version': ['v1', 'live', version],
    'osiris-sticky': ['ada'],
    'osiris-callback': ['https://example.invalid/x', 'http://10.0.0.1/', 'file:///etc/passwd'],
    config: [{}, { routes: ['/made/:id'] }, { schedule: '*/5 * * * *', access: 'public' }, { routes: ['/site/*'] }],
    files: [undefined],
    entry: [undefined],
    min: [0, 1],
    max: [3],
    target: [2],
    idle: ['1m'],
    canary: [10, '10%'],
    watch: ['10s'],
    source: [greet, site, 'export default 1', ''],
    language: ['javascript', 'typescript'],
    namespaces: [['demo'], ['*'], ['de*']],
    can: [['invoke'], ['admin', 'read']],
    timeoutMs: [1, 5000],
  }
}, 60_000)
afterAll(() => mesh.stop())

it('answers whatever is asked of any operation as its document says, and never with a 5xx', async () => {
  const faults = new Map<string, string>()
  const reached = new Set<Operation>()
  const isLast = ({ path }: Operation) => path === LAST
  for (const operation of [...operations.filter((each) => !isLast(each)), ...operations.filter(isLast)]) {
    const asked = fc.asyncProperty(requestsOf(operation, pool), async (request) => {
      const told = await send(node.http, request)
      if (told.status < 300) reached.add(operation)
      for (const fault of faultsOf(operation, told)) {
        const where = `${operation.method} ${operation.path}: ${fault.slice(0, 200)}`
        faults.set(where, `${JSON.stringify(request).slice(0, 600)} → ${told.status} ${told.text.slice(0, 300)}`)
      }
    })
    await fc.assert(asked, { numRuns: RUNS, endOnFailure: true })
  }
  expect(Object.fromEntries(faults)).toEqual({})
  // Of what is refused at the door little would be seen.
  expect(reached.size).toBeGreaterThan(operations.length / 2)
}, 600_000)
