/** What a version holds comes back whole by rollback; what is not released is for those who may. On a real node, by command line and HTTP. */
import { execFile } from 'node:child_process'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunningNode } from '#node/universe'
import { connect, type Osiris } from '#sdk'
import { TestMesh } from './components.fixture.ts'

const run = promisify(execFile)
const webOf = (word: string) => `export default { fetch: (request) => new Response('${word} ' + request.headers.get('osiris-version')) }`

let mesh: TestMesh
let node: RunningNode
let osiris: Osiris
beforeAll(async () => {
  mesh = await TestMesh.create()
  node = await mesh.add(['router', 'catalog', 'builder', 'executor'])
  osiris = await connect(node.http)
})
afterAll(() => mesh.stop())

const command = async (...words: string[]) => {
  const cli = fileURLToPath(new URL('./cli/main.ts', import.meta.url))
  return (await run(process.execPath, [cli, 'function', ...words, '--node', node.http, '--json'])).stdout
}

it('rollback moves one pointer, and code, routes, limits, environment, references to secrets and access are all back', async () => {
  const before = {
    routes: ['/before'],
    env: { GREETING: 'hello' },
    secrets: ['API_KEY@1'],
    access: 'public',
    execution: { timeout: '5s', memory: '32MB' },
  } as const
  const after = { routes: ['/after'], env: { OTHER: 'x' }, secrets: ['API_KEY'], access: 'token', execution: { timeout: '9s' } } as const
  const deploy = (source: string, config: object) => osiris.deploy({ namespace: 'demo', name: 'rolled', source, config })
  const first = await deploy(webOf('one'), { ...before, routes: [...before.routes], secrets: [...before.secrets] })
  const kept = await osiris.functions.get('demo/rolled')
  await deploy(webOf('two'), after)
  expect(await deploy(webOf('two'), after)).toMatchObject({ changed: false, ordinal: 2 })
  const stranger = { headers: { origin: 'http://elsewhere.example' } }
  const at = async (path: string, init = {}) => (await fetch(node.http + path, init)).status
  expect([await at('/before'), await at('/after'), await at('/after', stranger)]).toEqual([404, 200, 401])

  const { changes } = JSON.parse(await command('diff', 'demo/rolled')) as { changes: { key: string }[] }
  const keys = [
    'access',
    'env.GREETING',
    'env.OTHER',
    'execution.memoryMbMax',
    'execution.timeoutMs',
    'routes',
    'secrets.API_KEY',
    'source.digest',
  ]
  expect(changes.map((each) => each.key)).toEqual(expect.arrayContaining(keys))

  const { entries } = (await osiris.ledger({ limit: 1 })).status
  await command('rollback', 'demo/rolled')
  expect((await osiris.ledger({ limit: 1 })).status.entries).toBe(entries + 1)
  const back = await osiris.functions.get('demo/rolled')
  expect(back).toMatchObject({ version: first.version, access: 'public', manifest: kept.manifest })
  expect(back.manifest.settings).toMatchObject({ env: before.env, secrets: [{ name: 'API_KEY', version: 1 }], routes: ['/before'] })
  expect([await at('/before', stranger), await at('/after')]).toEqual([200, 404])
})

it('Osiris-Version reaches a version without traffic by name, host name and route, for those who may; a stranger reaches what is released', async () => {
  const deploy = (word: string) =>
    osiris.deploy({ namespace: 'demo', name: 'site', source: webOf(word), config: { access: 'public', routes: ['/site'] } })
  await deploy('one')
  const second = await deploy('two')
  await osiris.functions.rollback('demo/site')
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(node.http + path, { headers })
    return [answer.status, answer.ok ? await answer.text() : answer.headers.get('osiris-error')]
  }
  const stranger = { origin: 'http://elsewhere.example' }
  for (const path of ['/site', '/v1/fetch/demo/site/']) {
    expect(await ask(path)).toEqual([200, 'one null'])
    expect(await ask(path, { 'osiris-version': 'v2' })).toEqual([200, 'two null'])
    expect(await ask(path, { 'osiris-version': second.version.slice(0, 12) })).toEqual([200, 'two null'])
    expect(await ask(path, { 'osiris-version': 'v9' })).toEqual([404, 'not_found'])
    expect(await ask(path, stranger)).toEqual([200, 'one null'])
    expect(await ask(path, { ...stranger, 'osiris-version': 'v2' })).toEqual([401, 'unauthenticated'])
  }
  expect(await ask('/v1/fetch/demo/site@v2/', stranger)).toEqual([401, 'unauthenticated'])
  const byHost = await new Promise<string>((resolve, reject) => {
    const headers = { host: 'site.demo.localhost', 'osiris-version': 'v2' }
    get(`${node.http}/`, { headers }, (answer) => void text(answer).then(resolve, reject)).on('error', reject)
  })
  expect(byHost).toBe('two null')
})

it('a canary gets its share, and its callers stay with it while it grows', async () => {
  const source = (word: string) => `export default () => '${word}'`
  await osiris.deploy({ namespace: 'demo', name: 'canary', source: source('stable') })
  await osiris.deploy({ namespace: 'demo', name: 'canary', source: source('fresh') })
  await osiris.functions.rollback('demo/canary')
  await command('promote', 'demo/canary', 'v2', '--weight', '30')
  const ask = async (sticky: string) => {
    const answer = await fetch(`${node.http}/v1/call/demo/canary`, { method: 'POST', headers: { 'osiris-sticky': sticky } })
    return (await answer.json()) as string
  }
  const keys = Array.from({ length: 60 }, (_, at) => `caller ${at}`)
  const answers = await Promise.all(keys.map(ask))
  expect(new Set(answers)).toEqual(new Set(['stable', 'fresh']))
  expect(await Promise.all(keys.map(ask))).toEqual(answers)
  const { record } = await osiris.functions.promote('demo/canary', 'v2', { weight: 60 })
  expect(record.aliases['live']?.map((each) => each.weight)).toEqual([40, 60])
  const grown = await Promise.all(keys.map(ask))
  expect(keys.filter((_, at) => answers[at] === 'fresh' && grown[at] !== 'fresh')).toEqual([])
})
