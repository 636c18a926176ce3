/** Keys, namespaces, grants and tokens on the command line. */
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { markOf, type ProcessMark, writeNode } from '#node/universe'
import { Access, createIdentity, createUniverse, formatJoinToken, parseJoinToken } from '#protocols/access'
import { systemClock } from '#protocols/lifecycle'
import { asked, dir, node, osiris, useFolder } from './commands.fixture.ts'

useFolder()

it('a key is made once, shown by its public half, and its secret stays in a file of its owner', async () => {
  expect(await osiris(['key', 'list'])).toEqual({ code: 0, out: '', err: 'No keys yet. Make one: osiris key new\n' })
  const made = await osiris(['key', 'new'])
  expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^[0-9a-f]{64}\n$/) as string })
  const path = join(dir, 'osiris', 'keys', 'default.key')
  const secret = readFileSync(path, 'utf8').trim()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(await osiris(['key', 'show'])).toEqual({ code: 0, out: made.out, err: '' })
  expect(JSON.parse((await osiris(['key', 'list', '--json'])).out)).toEqual({ keys: [{ name: 'default', key: made.out.trim() }] })
  expect(await osiris(['key', 'new'])).toMatchObject({ code: 1, err: expect.stringContaining('there is one') as string })
  expect(readFileSync(path, 'utf8').trim()).toBe(secret)
  expect(made.err + made.out).not.toContain(secret)
  expect(await osiris(['key', 'show', 'none'])).toMatchObject({ code: 3 })
  expect(await osiris(['key', 'new', '../x'])).toMatchObject({ code: 2 })
  chmodSync(path, 0o644)
  expect(await osiris(['key', 'show'])).toMatchObject({ code: 2, err: expect.stringContaining('chmod 600') as string })
})

it('namespaces and grants go by key, or by the name of a key that is here', async () => {
  const key = (await osiris(['key', 'new', 'ada'])).out.trim()
  expect(await osiris(['namespace', 'create', 'demo', '--owner', 'ada'])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['create', 'demo', key])
  expect(await osiris(['namespace', 'list'])).toMatchObject({ code: 0, err: expect.stringContaining('No namespaces yet') as string })
  const add = ['grant', 'add', key, '--can', 'deploy,invoke', '--namespace', 'demo,team-*']
  expect(await osiris(add)).toMatchObject({ code: 0, out: 'h\n' })
  expect(asked.at(-1)).toEqual(['add', { key, can: ['deploy', 'invoke'], namespaces: ['demo', 'team-*'], expiresAtMs: null }])
  for (const wrong of [
    ['--can', 'fly', '--namespace', 'demo'],
    ['--can', 'read'],
    ['--can', 'read', '--namespace', 'demo', '--expires', 'soon'],
  ])
    expect(await osiris(['grant', 'add', key, ...wrong])).toMatchObject({ code: 2 })
  const held = {
    hash: 'c'.repeat(64),
    type: 'grant' as const,
    key,
    grants: [],
    expiresAtMs: null,
    since: 0,
    under: null,
    author: 'd'.repeat(64),
  }
  expect(await osiris(['grant', 'revoke', 'cccccccc'], node({ grants: [held] }))).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['revoke', held.hash])
  expect(await osiris(['grant', 'revoke', 'cc'], node({ grants: [held] }))).toMatchObject({ code: 3 })
})

it('a quota is set by what bounds something, shown with the part of the node, and taken away', async () => {
  expect(await osiris(['quota', 'set', 'demo', '--calls-per-second', '0.5', '--concurrent', '3'])).toMatchObject({ code: 0, out: '' })
  expect(asked.at(-1)).toEqual(['quota', 'demo', { callsPerSecond: 0.5, concurrent: 3 }])
  for (const wrong of [[], ['--concurrent', '0'], ['--concurrent', 'many'], ['--calls-per-second', '']])
    expect(await osiris(['quota', 'set', 'demo', ...wrong])).toMatchObject({ code: 2 })
  expect(await osiris(['quota', 'clear', '*'])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['clear', '*'])
  const quotas = [
    { namespace: '*', cpuSecondsPerHour: 600, here: null },
    { namespace: 'demo', callsPerSecond: 100, here: { share: 0.25, inFlight: 7 } },
  ]
  const shown = await osiris(['quota', 'show'], node({ quotas }))
  expect(shown.out).toMatch(/^\*\s+-\s+-\s+600/m)
  expect(shown.out).toMatch(/^demo\s+100\s+-\s+-\s+25 %\s+7/m)
  expect(JSON.parse((await osiris(['quota', 'show', 'demo', '--json'], node({ quotas }))).out)).toEqual({ quotas: [quotas[1]] })
  expect(await osiris(['quota', 'show', 'other'], node({ quotas }))).toMatchObject({
    code: 0,
    err: expect.stringContaining('no quota') as string,
  })
})

it('a domain is claimed for a function or a namespace, with the record that DNS needs; verified; and let go', async () => {
  const record = { name: '_osiris.shop.example.org', text: 'osiris-domain=demo.ab' }
  const domains = [{ host: 'shop.example.org', namespace: 'demo', name: 'site', isGranted: false, counts: false, record }]
  const added = await osiris(['domain', 'add', 'shop.example.org', 'demo/site'], node({ domains }))
  expect(added).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringContaining('_osiris.shop.example.org TXT "osiris-domain=demo.ab"') as string,
  })
  expect(asked.find(([what]) => what === 'domain')).toEqual([
    'domain',
    { host: 'shop.example.org', namespace: 'demo', name: 'site', granted: false },
  ])
  expect(await osiris(['domain', 'add', 'shop.example.org', 'demo', '--granted'])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['domain', { host: 'shop.example.org', namespace: 'demo', name: null, granted: true }])
  expect(await osiris(['domain', 'add', 'shop.example.org', 'demo/a/b'])).toMatchObject({ code: 2 })
  expect((await osiris(['domain', 'list'], node({ domains }))).out).toMatch(/^shop\.example\.org\s+demo\/site\s+DNS\s+no: _osiris/m)
  expect(await osiris(['domain', 'verify', 'shop.example.org'], node({ domains }))).toMatchObject({ code: 3 })
  const proven = domains.map((each) => ({ ...each, counts: true }))
  expect(await osiris(['domain', 'verify', 'shop.example.org', '--json'], node({ domains: proven }))).toMatchObject({ code: 0 })
  expect(await osiris(['domain', 'remove', 'shop.example.org', 'demo'])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['undomain', 'shop.example.org', 'demo'])
})

it('where no key is named, the default one is meant, or the only one; of several the names are told', async () => {
  expect(await osiris(['namespace', 'create', 'demo'])).toMatchObject({ code: 3, err: expect.stringContaining('osiris key new') as string })
  const ada = (await osiris(['key', 'new', 'ada'])).out.trim()
  expect(await osiris(['namespace', 'create', 'demo'])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['create', 'demo', ada])
  expect((await osiris(['key', 'show'])).out.trim()).toBe(ada)
  await osiris(['key', 'new', 'bob'])
  for (const words of [
    ['namespace', 'create', 'demo'],
    ['key', 'show'],
    ['token', 'create', '--can', 'read', '--namespace', 'demo'],
  ])
    expect(await osiris(words)).toMatchObject({ code: 2, err: expect.stringContaining('ada, bob are here') as string })
  expect(await osiris(['key', 'show', 'carol'])).toMatchObject({ code: 3, err: expect.stringContaining('ada, bob are here') as string })
  const made = (await osiris(['key', 'new'])).out.trim()
  expect((await osiris(['key', 'show'])).out.trim()).toBe(made)
})

it('a token is signed here and goes to standard output alone; what the key does not hold is refused', async () => {
  const key = (await osiris(['key', 'new'])).out.trim()
  const create = ['token', 'create', '--can', 'deploy', '--namespace', 'demo', '--expires', '30d']
  expect(await osiris(create)).toMatchObject({ code: 4, out: '', err: expect.stringContaining(`osiris grant add ${key}`) as string })
  const grants = [{ can: ['deploy' as const], namespaces: ['demo'] }]
  const held = {
    hash: 'c'.repeat(64),
    type: 'grant' as const,
    key,
    grants,
    expiresAtMs: null,
    since: 0,
    under: null,
    author: 'd'.repeat(64),
  }
  const { code, out, err } = await osiris(create, node({ grants: [held] }))
  expect(code).toBe(0)
  expect(err).not.toContain(out.trim())
  expect(JSON.parse(Buffer.from(out.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
    iss: key,
    sub: 'default',
    aud: '0'.repeat(16),
    grants,
  })
  expect(await osiris(['token', 'create', '--can', 'admin', '--namespace', 'demo'], node({ grants: [held] }))).toMatchObject({ code: 4 })
})

it('a token is revoked by itself or by its id; a join token is made by who holds admin on everything', async () => {
  const key = (await osiris(['key', 'new'])).out.trim()
  const base = { hash: 'c'.repeat(64), type: 'grant' as const, key, expiresAtMs: null, since: 0, under: null, author: 'd'.repeat(64) }
  const root = createIdentity()
  const door = formatJoinToken({ universe: createUniverse('u', root.id), bootstrap: ['/ip4/127.0.0.1/tcp/1/p2p/x'] })
  const invite = ['token', 'create', '--join', '--roles', 'executor', '--uses', '3', '--expires', '1h']
  const little = node({ grants: [{ ...base, grants: [{ can: ['admin'], namespaces: ['demo'] }] }], joinToken: door })
  expect(await osiris(invite, little)).toMatchObject({ code: 4, out: '', err: expect.stringContaining('admin on "*"') as string })
  const all = node({ grants: [{ ...base, grants: [{ can: ['admin'], namespaces: ['*'] }] }], joinToken: door })
  const made = await osiris(invite, all)
  expect(made.code).toBe(0)
  const { invited } = parseJoinToken(made.out.trim())
  expect(invited?.invitation).toMatchObject({ issuer: key, roles: ['executor'], uses: 3 })
  expect(await osiris(['token', 'revoke', made.out.trim()])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['cancel', key, invited?.invitation.id])
  expect(await osiris(['token', 'revoke', 'a'.repeat(32)])).toMatchObject({ code: 0 })
  expect(asked.at(-1)).toEqual(['cancel', key, 'a'.repeat(32)])
  for (const wrong of [
    ['token', 'revoke', 'x'],
    ['token', 'create', '--join', '--roles', 'king'],
    ['token', 'create', '--join', '--uses', '0'],
    ['token', 'create', '--join', '--can', 'read'],
    ['token', 'create', '--namespace', 'demo'],
  ])
    expect(await osiris(wrong, all)).toMatchObject({ code: 2 })
})

it("without a key of one's own, the root key of a universe on this machine signs; elsewhere it is told what to do", async () => {
  const create = ['token', 'create', '--can', 'invoke', '--namespace', '*', '--subject', 'ci']
  expect(await osiris(create)).toMatchObject({ code: 3, err: expect.stringContaining('osiris key new') as string })
  const root = createIdentity()
  const save = (name: string, { seed }: typeof root) =>
    writeFileSync(join(dir, name), `${Buffer.from(seed).toString('hex')}\n`, { mode: 0o600 })
  save('root.key', root)
  const own = markOf(process.pid) as ProcessMark
  const at = { roles: [], http: 'http://127.0.0.1:1', p2p: [], dataDir: dir, process: own }
  const universe = createUniverse('u', root.id)
  writeNode(dir, {
    ...at,
    name: 'node-1',
    peer: '',
    universe: 'u',
    joinToken: formatJoinToken({ universe, bootstrap: ['/ip4/127.0.0.1/tcp/1/p2p/x'] }),
  })
  const { code, out } = await osiris(create)
  expect(code).toBe(0)
  const judge = new Access({ root: root.id, clock: systemClock })
  expect(await judge.principalOf({ subject: '', token: out.trim() })).toMatchObject({ subject: 'ci', grants: [{ can: ['invoke'] }] })

  const next = createIdentity()
  save('successor.key', next)
  judge.follow({ grantsOf: (key) => (key === next.id ? [{ can: ['admin'], namespaces: ['*'] }] : []) })
  expect(await judge.principalOf({ subject: '', token: (await osiris(create)).out.trim() })).toMatchObject({ issuer: next.id })
})

it('key rotate names the key that ends: the one that holds the root now, unless it is told', async () => {
  const [first, second, to] = ['1', '2', 'b'].map((digit) => digit.repeat(64)) as [string, string, string]
  const keys = [first, second].map((key) => ({ key, of: 'root' as const, last: null }))
  const all = node({ keys: [...keys, { key: '9'.repeat(64), of: 'recovery', last: null }] })
  expect(await osiris(['key', 'rotate', '--ack', 'accepted'], all)).toMatchObject({ code: 0, out: `${to}\n` })
  expect(asked.at(-1)).toEqual(['rotateRoot', second, { ack: 'accepted' }])
  expect(JSON.parse((await osiris(['key', 'rotate', '--from', first, '--json'], all)).out)).toMatchObject({
    from: first,
    to,
    changed: true,
  })
  expect(asked.at(-1)).toEqual(['rotateRoot', first, {}])
  expect(await osiris(['key', 'rotate'], node({}))).toMatchObject({ code: 5, out: '' })
})
