/** Commands against a client that is only a record of what it was asked. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { markOf, type NodeState, type ProcessMark, universeNodesDir, writeNode, writeUniverse } from '#node/universe'
import type { Deployed, LedgerConflicts, ScaleSummary, VersionDiff } from '#sdk'
import { asked, dir, node, osiris, receipt, signed, summary, targets, useFolder } from './commands.fixture.ts'
import { DEFAULT_NODE } from './target.ts'

useFolder()

it('call sends values and prints JSON', async () => {
  const result = await osiris(['call', 'demo/greet', '"Ada"', '2', '-3', 'text', '--json'], node({ call: { hello: 'Ada\u001b' } }))
  expect(result).toEqual({ code: 0, out: '{"hello":"Ada\\u001b"}\n', err: '' })
  expect(asked).toEqual([['call', 'demo/greet', 'Ada', 2, -3, 'text']])
  expect(await osiris(['call', 'greet', '--namespace', 'demo', '--', '--json'])).toMatchObject({ code: 0, out: 'null\n' })
  expect(asked.at(-1)).toEqual(['call', 'demo/greet', '--json'])
  await osiris(['call', 'demo/pay', '17', '--idempotency-key', 'order-17'])
  expect(asked.at(-1)).toEqual(['once', 'order-17', 'demo/pay', 17])
})

it('wrong usage is 2 and says what was meant', async () => {
  expect(await osiris(['cal'])).toEqual({ code: 2, out: '', err: "osiris: unknown command 'cal'\n(Did you mean call?)\n" })
  expect(await osiris(['call', '--jsn', 'demo/greet'])).toMatchObject({
    code: 2,
    err: "osiris: unknown option '--jsn'\n(Did you mean --json?)\n",
  })
  expect(await osiris(['deploy'])).toMatchObject({ code: 2, err: "osiris: missing required argument 'path'\n" })
  expect(await osiris(['call', 'Nope'])).toMatchObject({ code: 2, out: '' })
  const json = await osiris(['call', '--json'])
  expect(json.code).toBe(2)
  expect(JSON.parse(json.err)).toEqual({ code: 'invalid_argument', message: "missing required argument 'function'" })
})

it('help and version are data, exit 0', async () => {
  for (const argv of [[], ['--help'], ['help'], ['node', '--help'], ['help', 'node'], ['node', 'start', '--help'], ['--version']]) {
    const result = await osiris(argv)
    expect(result).toMatchObject({ code: 0, err: '' })
    expect(result.out).not.toBe('')
  }
  expect((await osiris(['node', 'start', '--help'])).out).toContain('--http-port <port>')
})

it('errors of the node end with their code', async () => {
  expect(await osiris(['function', 'show', 'demo/greet'])).toEqual({ code: 3, out: '', err: 'osiris: Cannot find "demo/greet"\n' })
  expect(await osiris(['function', 'versions', 'demo/greet@v1'])).toMatchObject({ code: 2 })
})

it('an empty list says what to do next', async () => {
  expect(await osiris(['function', 'list'])).toEqual({
    code: 0,
    out: '',
    err: 'No functions yet. Deploy one: osiris deploy greet.ts --namespace demo\n',
  })
  expect(await osiris(['function', 'list', '--json'])).toEqual({ code: 0, out: '{"functions":[]}\n', err: '' })
  const list = await osiris(['function', 'list'], node({ functions: [summary] }))
  expect(list.out).toContain('demo/greet  v2    ffffffffffff  2         token')
  expect(await osiris(['ledger', 'log'])).toMatchObject({ code: 0, out: '', err: 'The ledger holds no entries yet\n' })
  expect(await osiris(['node', 'status'])).toMatchObject({ code: 0, out: '', err: 'No node runs here. Start one: osiris node start\n' })
})

it('conflicts are told one kind after the other, and none is told too', async () => {
  expect(await osiris(['ledger', 'conflicts'])).toEqual({
    code: 0,
    out: '',
    err: 'No conflicts: everything in the ledger has its effect\n',
  })
  const marked = { author: 'a'.repeat(64), seq: 3, hash: 'b'.repeat(64), atMs: 0, type: 'publish', by: 'ada' }
  const conflicts: LedgerConflicts = {
    lost: [{ namespace: 'demo', name: 'greet', alias: 'live', lost: marked, won: { ...marked, seq: 4, by: 'bob' } }],
    voided: [{ ...marked, reason: 'its grant was revoked' }],
    routes: [{ route: 'GET /x', namespace: 'demo', name: 'late', holder: { route: '/x', namespace: 'demo', name: 'early' } }],
    frozen: [{ author: 'c'.repeat(64), seq: 7, hashes: ['d'.repeat(64), 'e'.repeat(64)] }],
  }
  const { code, out } = await osiris(['ledger', 'conflicts'], node({ conflicts }))
  expect(code).toBe(0)
  expect(out).toContain('demo/greet@live  publish by ada, aaaaaaaa#3, 1970-01-01T00:00:00.000Z  publish by bob, aaaaaaaa#4')
  expect(out).toContain('its grant was revoked')
  expect(out).toContain('GET /x  demo/late  demo/early  /x\n')
  expect(out).toContain('cccccccccccccccc  7     dddddddddddd and eeeeeeeeeeee')
  expect(JSON.parse((await osiris(['ledger', 'conflicts', '--json'], node({ conflicts }))).out)).toEqual(conflicts)
})

it('deploy takes a file by its name, with what it imports', async () => {
  writeFileSync(join(dir, 'greet.ts'), "import { word } from './word.ts'\nexport default (name: string) => word + name\n")
  writeFileSync(join(dir, 'word.ts'), "export const word = 'hello '\n")
  const result = await osiris(['deploy', join(dir, 'greet.ts'), '--namespace', 'demo', '--json'])
  expect(result).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(result.out)).toMatchObject({ namespace: 'demo', name: 'greet', ordinal: 1, changed: true })
  expect(asked[0]?.[1]).toMatchObject({ namespace: 'demo', name: 'greet', entry: 'greet.ts' })
  const { files } = (asked[0] as unknown[])[1] as { files: object }
  expect(Object.keys(files).toSorted()).toEqual(['greet.ts', 'word.ts'])
})

it('function diff shows what changes key by key, lists by what is only there, and says when nothing does', async () => {
  expect(await osiris(['function', 'diff', 'demo/greet'])).toMatchObject({
    code: 0,
    out: '',
    err: 'No difference: v1 and v2 run the same\n',
  })
  expect(asked.at(-1)).toEqual(['diff', 'demo/greet', undefined, undefined])
  const diff: VersionDiff = {
    ...{ from: { version: 'a'.repeat(64), ordinal: 1 }, to: { version: 'b'.repeat(64), ordinal: 3 } },
    changes: [
      { key: 'env.A', from: null, to: '1\u001b' },
      { key: 'routes', from: ['/a', '/b'], to: ['/b', '/c'] },
      { key: 'source.digest', from: 'c'.repeat(64), to: 'd'.repeat(64) },
    ],
  }
  const { out } = await osiris(['function', 'diff', 'demo/greet', 'v1', 'v3'], node({ diff }))
  expect(out.split('\n').map((line) => line.split(/ +/))).toMatchObject([
    ['CHANGED', 'v1', 'v3'],
    ['env.A', '-', expect.not.stringContaining('\u001b')],
    ['routes', '/a', '/c'],
    ['source.digest', 'c'.repeat(12), 'd'.repeat(12)],
    [''],
  ])
  expect(JSON.parse((await osiris(['function', 'diff', 'demo/greet', '--json'], node({ diff }))).out)).toEqual(diff)
})

it('function promote gives a share, of live unless another alias is named', async () => {
  await osiris(['function', 'promote', 'demo/greet', 'v3', '--weight', '10', '--alias', 'beta', '--ack', 'accepted'])
  expect(asked.at(-1)).toEqual(['promote', 'demo/greet', 'v3', { weight: 10, alias: 'beta' }, { ack: 'accepted' }])
  expect(await osiris(['function', 'promote', 'demo/greet', 'v3', '--weight', '0'])).toMatchObject({ code: 2 })
})

it('deploy warns of a route that another function holds', async () => {
  writeFileSync(join(dir, 'greet.ts'), 'export default () => 1')
  const holder = { namespace: 'demo', name: 'early', route: '/x' }
  const deploy = (name: string): Deployed => ({
    ...{ namespace: 'demo', name, version: 'e'.repeat(64), ordinal: 1, changed: false, warnings: [], receipt },
    ...{ routes: ['/x'], lostRoutes: [{ route: '/x', holder }] },
  })
  const { code, err } = await osiris(['deploy', join(dir, 'greet.ts'), '--namespace', 'demo'], node({ deploy }))
  expect(code).toBe(0)
  expect(err).toContain('warning: route "/x" is held by demo/early: demo/greet is reached by name only\n')
})

it('writes wait for committed unless told otherwise, and say who signed', async () => {
  writeFileSync(join(dir, 'greet.ts'), 'export default () => 1')
  const deploy = (...words: string[]) => osiris(['deploy', join(dir, 'greet.ts'), ...words])
  expect((await deploy()).err).toContain('committed by 1 of 1 (node-1)\n')
  expect(asked.at(-1)?.[1]).not.toHaveProperty('ack')
  await deploy('--ack', 'accepted', '--timeout', '500ms')
  expect(asked.at(-1)?.[1]).toMatchObject({ ack: 'accepted', timeoutMs: 500 })
  expect(JSON.parse((await deploy('--json')).out)).toMatchObject({ receipt: { state: 'committed', receipts: [signed] } })
  expect(await osiris(['function', 'remove', 'demo/greet', '--timeout', '2000'])).toMatchObject({
    code: 0,
    err: 'Removed demo/greet: committed by 1 of 1 (node-1)\n',
  })
  expect(asked.at(-1)).toEqual(['remove', 'demo/greet', { timeoutMs: 2000 }])
  await osiris(['function', 'rollback', 'demo/greet', 'v1', '--ack', 'accepted'])
  expect(asked.at(-1)).toEqual(['rollback', 'demo/greet', 'v1', { ack: 'accepted' }])
  asked.length = 0
  expect(await deploy('--ack', 'soon')).toMatchObject({ code: 2, err: 'osiris: --ack: expected "committed" or "accepted"\n' })
  expect(await deploy('--timeout', 'soon')).toMatchObject({
    code: 2,
    err: 'osiris: --timeout: expected a duration such as 250ms, 10s or 5m\n',
  })
  expect(await deploy('--timeout', '1h')).toMatchObject({ code: 2 })
  expect(asked).toEqual([])
})

it('what cannot be deployed is refused before anything is sent', async () => {
  writeFileSync(join(dir, 'Bad Name.ts'), 'export default () => 1')
  writeFileSync(join(dir, 'empty.ts'), '')
  const bad = await osiris(['deploy', join(dir, 'Bad Name.ts')])
  expect(bad).toMatchObject({ code: 2 })
  expect(bad.err).toContain('"Bad Name" as a function name (the name of the file; --name gives another)')
  expect(await osiris(['deploy', join(dir, 'none.ts')])).toMatchObject({
    code: 2,
    err: `osiris: Cannot deploy ${dir}/none.ts: there is no such file or folder\n`,
  })
  expect(await osiris(['deploy', '/dev/zero', '--name', 'endless'])).toMatchObject({
    code: 2,
    err: 'osiris: Cannot deploy /dev/zero: it is neither a file nor a folder\n',
  })
  expect(await osiris(['deploy', dir])).toMatchObject({
    code: 2,
    err: `osiris: Cannot deploy the folder ${dir}: it holds no osiris.yaml\n`,
  })
  expect(await osiris(['deploy', join(dir, 'empty.ts')])).toMatchObject({ code: 2 })
  expect(asked).toEqual([])
})

it('a project deploys every function it can, and fails when one could not', async () => {
  writeFileSync(join(dir, 'one.ts'), 'export default () => 1')
  writeFileSync(join(dir, 'two.ts'), 'export default () => 2')
  writeFileSync(
    join(dir, 'osiris.yaml'),
    'namespace: demo\nfunctions:\n  one: { source: ./one.ts }\n  gone: { source: ./gone.ts }\n  two: { source: ./two.ts, access: public }\n',
  )
  const result = await osiris(['deploy', dir])
  expect(result.code).toBe(2)
  expect(result.out.split('\n').map((line) => line.split(' ')[0])).toEqual(['FUNCTION', 'demo/one', 'demo/two', ''])
  expect(result.err).toMatch(/^osiris: .*gone\.ts/)
  expect(asked.map(([, deploy]) => (deploy as { name: string; config: unknown }).config)).toEqual([{}, { access: 'public' }])
  writeFileSync(join(dir, 'osiris.yaml'), 'functions:\n  one: { source: ./one.ts, timeout: 1s }\n')
  const { err } = await osiris(['deploy', dir])
  expect(err).toContain(`${dir}/osiris.yaml:2:28: functions.one.timeout: unknown key; known keys are routes, execution, `)
  expect(err).toMatch(/, source\n$/)
})

it('the node is --node, else OSIRIS_NODE, else what runs here, else the default; its token comes along', async () => {
  const of = async (argv: string[], env: Record<string, string> = {}) => {
    await osiris(['function', 'list', ...argv], node(), env)
    return targets.at(-1)
  }
  expect(await of([])).toEqual({ url: DEFAULT_NODE })
  const own = markOf(process.pid) as ProcessMark
  const state = (name: string, http: string, developerToken: string, process: ProcessMark = own): NodeState => ({
    ...{ name, roles: [], http, p2p: [], peer: '', process, dataDir: dir, universe: 'u', joinToken: 'osiris1.x', developerToken },
  })
  writeNode(dir, state('lone', 'http://127.0.0.1:1', 'lone-token'))
  expect(await of([])).toEqual({ url: 'http://127.0.0.1:1', token: 'lone-token' })
  writeNode(universeNodesDir(dir, 'u'), state('node-1', 'http://127.0.0.1:2', 'dead', { pid: own.pid, startedAs: 'before' }))
  writeNode(universeNodesDir(dir, 'u'), state('node-2', 'http://127.0.0.1:3', 'u-token'))
  const planned = [
    { name: 'node-1', roles: [], http: 'http://127.0.0.1:2', p2p: [], dataDir: dir, process: { pid: own.pid, startedAs: 'before' } },
    { name: 'node-2', roles: [], http: 'http://127.0.0.1:3', p2p: [], dataDir: dir, process: own },
  ]
  writeUniverse(dir, { name: 'u', mode: 'processes', ready: true, supervisor: own, dir, nodes: planned })
  expect(await of([])).toEqual({ url: 'http://127.0.0.1:3', token: 'u-token' })
  expect(await of([], { OSIRIS_NODE: 'http://127.0.0.1:1/' })).toEqual({ url: 'http://127.0.0.1:1/', token: 'lone-token' })
  expect(await of(['--node', 'http://127.0.0.1:3'], { OSIRIS_NODE: 'http://127.0.0.1:1' })).toEqual({
    url: 'http://127.0.0.1:3',
    token: 'u-token',
  })
  expect(await of(['--node', 'http://elsewhere:3'])).toEqual({ url: 'http://elsewhere:3' })
  expect(await of(['--node', 'http://elsewhere:3'], { OSIRIS_TOKEN: 'mine' })).toEqual({ url: 'http://elsewhere:3', token: 'mine' })
  writeFileSync(join(dir, 'universes', 'u.json'), '{"name":"u","no')
  expect(await of([])).toEqual({ url: 'http://127.0.0.1:1', token: 'lone-token' })
})

it('schedule list shows when each runs next, and what became of the last time', async () => {
  const base = { namespace: 'demo', version: 'f'.repeat(64), cron: '*/5 * * * *', missed: 'skip' as const, overlap: false, problem: null }
  const fired = { tickAt: Date.UTC(2026, 0, 1), by: 'node-1', untilMs: 0 }
  const schedules = [
    {
      ...base,
      name: 'a',
      timezone: 'UTC',
      nextAt: Date.UTC(2026, 0, 1, 0, 5),
      owner: 'node-1',
      last: { ...fired, end: { atMs: 0, code: null, message: '' } },
    },
    {
      ...base,
      name: 'b',
      timezone: 'Europe/Berlin',
      nextAt: null,
      owner: null,
      last: { ...fired, end: { atMs: 0, code: 'function_failed', message: 'x' } },
    },
    { ...base, name: 'c', timezone: 'UTC', nextAt: null, owner: 'node-2', last: null, problem: 'Cannot read it' },
  ]
  const { out } = await osiris(['schedule', 'list', '--namespace', 'demo'], node({ schedules }))
  expect(asked).toEqual([['schedules', 'demo']])
  expect(out.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
    ['FUNCTION', 'SCHEDULE', 'NEXT', 'LAST', 'OUTCOME', 'OWNER'],
    ['demo/a', '*/5 * * * *', '2026-01-01T00:05:00Z', '2026-01-01T00:00:00Z', 'ok', 'node-1'],
    ['demo/b', '*/5 * * * * (Europe/Berlin)', '2026-01-01T00:00:00Z', 'function_failed', 'nobody'],
    ['demo/c', '*/5 * * * *', 'Cannot read it', 'node-2'],
    [''],
  ])
  const json = await osiris(['schedule', 'list', '--json'], node({ schedules }))
  expect(JSON.parse(json.out)).toEqual({ schedules })
  expect(await osiris(['schedule', 'list'], node())).toMatchObject({ code: 0, out: '', err: expect.stringContaining('No schedules') })
})

it('every command and flag is in the completions, for every shell', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out } = await osiris(['completion', shell])
    expect(code).toBe(0)
    for (const word of ['universe', 'rollback', 'http-port', 'in-process', 'namespace']) expect(out).toContain(word)
  }
  expect(await osiris(['completion', 'tcsh'])).toMatchObject({ code: 2 })
})

it('doctor says one line per check and ends with 1 when something is missing that no node runs without', async () => {
  const config = join(dir, 'node.yaml')
  writeFileSync(config, `data: ${join(dir, 'data')}\nhttpPort: 0\np2pListen: /ip4/127.0.0.1/tcp/0\n`)
  const fine = await osiris(['doctor', '--config', config, '--json'], node())
  const { fit, findings } = JSON.parse(fine.out) as { fit: boolean; findings: { check: string; state: string }[] }
  expect([fine.code, fit]).toEqual([0, true])
  expect(findings.map((each) => each.check)).toEqual(expect.arrayContaining(['worker', 'wall: files', 'data', 'running node']))
  writeFileSync(config, 'data: /dev/null/x\nhttpPort: 0\np2pListen: /ip4/127.0.0.1/tcp/0\n')
  const bad = await osiris(['doctor', '--config', config], node())
  expect([bad.code, bad.err]).toEqual([1, 'Something is missing that no node runs without\n'])
  expect(bad.out).toMatch(/^data +missing +\/dev\/null\/x cannot be written/m)
})

it('function scale shows what is in force and what is there, and sets what is named beside what was set', async () => {
  const published = { min: 0, max: 20, target: 10, idleMs: 300_000 }
  const nodes = [{ node: 'node-2', ready: 2 }]
  const scale: ScaleSummary = {
    ...{ namespace: 'demo', name: 'greet', ...published, min: 1, published, set: { min: 1 }, decider: 'node-3' },
    versions: [{ version: 'e'.repeat(64), instances: 3, ready: 2, isPanic: true, nodes }],
  }
  const shown = await osiris(['function', 'scale', 'demo/greet'], node({ scale }))
  expect(shown.out).toMatch(/^min +1 +published with 0$/m)
  expect(shown.out).toMatch(/^e{12} +2 ready, 3 wanted, in panic +node-2 2$/m)
  expect(await osiris(['function', 'scale', 'demo/greet', '--max', '8', '--idle', '30s'], node({ scale }))).toMatchObject({
    code: 0,
    out: '',
  })
  expect(asked.at(-1)).toEqual(['setScale', 'demo/greet', { min: 1, max: 8, idle: 30_000 }])
  expect(await osiris(['function', 'scale', 'demo/greet', '--reset'], node({ scale }))).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['setScale', 'demo/greet', {}])
  for (const wrong of [
    ['--min', '-1'],
    ['--max', '0'],
    ['--idle', 'soon'],
    ['--min', '1', '--reset'],
  ])
    expect(await osiris(['function', 'scale', 'demo/greet', ...wrong], node({ scale }))).toMatchObject({ code: 2 })
})

it('node drain waits for the calls under way, and fails with what is left', async () => {
  expect(await osiris(['node', 'drain'], node())).toMatchObject({ code: 0, out: '', err: expect.stringContaining('Drained') as string })
  expect(asked.at(-1)).toEqual(['drain', { timeoutMs: 30_000 }])
  expect(await osiris(['node', 'drain', '--timeout', '5'], node({ left: 2 }))).toMatchObject({ code: 6 })
  expect(await osiris(['node', 'drain', 'nobody'], node())).toMatchObject({ code: 3 })
})
