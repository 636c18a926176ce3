import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity, createUniverse, formatJoinToken } from '#protocols/access'
import { type ConfigSources, configKeys, keysTable, loadNodeConfig, nameFrom, nearest } from './index.ts'
import { nodeConfigSchema } from './schema.ts'

const host = { cores: 2, hostname: 'Ada-Laptop.local', env: { HOME: '/home/ada' } }
const load = (part: Partial<ConfigSources> & { yaml?: string }) =>
  loadNodeConfig({
    flags: {},
    env: {},
    host,
    read: (path) => {
      if (part.yaml === undefined) return Promise.reject(Object.assign(new Error('none'), { code: 'ENOENT' }))
      return path.endsWith('node.yaml') ? Promise.resolve(part.yaml) : Promise.reject(new Error('unexpected path'))
    },
    ...part,
  })

it('with nothing said, every default of the table holds', async () => {
  expect(await load({})).toEqual({
    name: 'ada-laptop',
    roles: ['router', 'catalog', 'builder', 'executor'],
    dataDir: '/home/ada/.local/share/osiris/node',
    stateDir: '/home/ada/.local/state/osiris',
    httpHost: '127.0.0.1',
    httpPort: 4747,
    p2pListen: ['/ip4/0.0.0.0/tcp/4748'],
    join: [],
    universeName: 'default',
    developer: false,
    developerToken: undefined,
    capacity: 200,
    labels: {},
    spares: 1,
    limits: {},
    walls: 'auto',
    egressPrivate: false,
    artifactCacheBytes: 1024 ** 3,
    bodyTimeoutMs: 30_000,
    connectionsPerAddress: 4000,
    domain: 'localhost',
    logLevel: 'info',
    dht: true,
    drainTimeoutMs: 10_000,
  })
})

it('a certificate goes with its key, and the door for both has a port', async () => {
  const files = { cert: '/etc/a.crt', key: '/etc/a.key' }
  expect((await load({ flags: { tlsCert: files.cert, tlsKey: files.key } })).tls).toEqual({ port: 4749, files })
  expect((await load({ yaml: 'tlsCert: /etc/a.crt\ntlsKey: /etc/a.key\nhttpsPort: 443\n' })).tls).toEqual({ port: 443, files })
  const acme = { directory: 'https://acme-v02.api.letsencrypt.org/directory', email: 'ada@example.org' }
  expect((await load({ flags: { acme: 'letsencrypt', acmeEmail: acme.email } })).tls).toEqual({ port: 4749, acme })
  await expect(load({ flags: { acme: 'somebody' } })).rejects.toThrow('--acme: expected the URL of an ACME directory')
  await expect(load({ flags: { tlsCert: files.cert } })).rejects.toThrow('--tls-cert: goes with --tls-key, which is not set')
})

it('slow clients and crowds at the HTTP door are the operator’s to bound', async () => {
  const set = { bodyTimeoutMs: 120_000, connectionsPerAddress: 10_000 }
  expect(await load({ yaml: 'bodyTimeout: 2m\nconnectionsPerAddress: 10000\n' })).toMatchObject(set)
  expect(await load({ env: { OSIRIS_BODY_TIMEOUT: '2m', OSIRIS_CONNECTIONS_PER_ADDRESS: '10000' } })).toMatchObject(set)
  expect(await load({ flags: { bodyTimeout: '2m', connectionsPerAddress: '10000' } })).toMatchObject(set)
  await expect(load({ flags: { bodyTimeout: '10ms' } })).rejects.toThrow('--body-timeout: must be between 1000 and 900000')
  await expect(load({ env: { OSIRIS_CONNECTIONS_PER_ADDRESS: '10001' } })).rejects.toThrow(
    'OSIRIS_CONNECTIONS_PER_ADDRESS: expected a whole number between 1 and 10000',
  )
})

it('flags beat the environment, which beats the file, which beats the default', async () => {
  const yaml = 'httpPort: 1\ncapacity: 1\nspares: 3\n'
  const config = await load({ yaml, env: { OSIRIS_HTTP_PORT: '2', OSIRIS_CAPACITY: '2' }, flags: { httpPort: '3' } })
  expect([config.httpPort, config.capacity, config.spares, config.domain]).toEqual([3, 2, 3, 'localhost'])
})

it('limits come as a mapping or as one text, in the units people write', async () => {
  const yaml = 'limits:\n  cpu: 5s\n  memory: 256MB\n  requests: 20\n  namespaceCpu: 1.5\n'
  const limits = { cpuMsMax: 5000, instanceMemoryMbMax: 256, requestsMax: 20, namespaceCpuMax: 1.5 }
  expect((await load({ yaml })).limits).toEqual(limits)
  const variable = { OSIRIS_LIMITS: 'cpu=5s, memory=256MB,requests=20,namespaceCpu=1.5' }
  expect((await load({ env: variable })).limits).toEqual(limits)
  expect((await load({ flags: { limits: 'totalMemory=1GB,queue=10' } })).limits).toEqual({ memoryMbMax: 1024, queueMax: 10 })
  await expect(load({ env: { OSIRIS_LIMITS: 'cpu=soon' } })).rejects.toThrow(/^OSIRIS_LIMITS: /)
  await expect(load({ yaml: 'limits:\n  cpus: 1\n' })).rejects.toThrow(/limits.*cpus/s)
})

it('labels come as a mapping, as one text, or one flag each', async () => {
  const labels = { gpu: 'true', disk: 'ssd' }
  expect((await load({ yaml: 'labels: { gpu: true, disk: ssd }\nregion: eu-west-1\n' })).labels).toEqual(labels)
  expect((await load({ env: { OSIRIS_LABELS: 'gpu, disk=ssd' } })).labels).toEqual(labels)
  expect((await load({ flags: { labels: ['gpu=true', 'disk=ssd'] } })).labels).toEqual(labels)
  await expect(load({ flags: { labels: ['a b=1'] } })).rejects.toThrow(/^--label: /)
  const many = Array.from({ length: 17 }, (_, index) => `l${index}=1`).join()
  await expect(load({ env: { OSIRIS_LABELS: many } })).rejects.toThrow('OSIRIS_LABELS: at most 16 labels')
  await expect(load({ env: { OSIRIS_REGION: 'Mars!' } })).rejects.toThrow(/^OSIRIS_REGION: a region is/)
})

it('an unknown key in the file is refused with its place and what was meant', async () => {
  await expect(load({ yaml: 'name: a\nhtpPort: 80\n' })).rejects.toMatchObject({
    code: 'invalid_argument',
    message: 'node.yaml:2:1: htpPort: unknown key; did you mean "httpPort"?',
  })
})

it('a wrong value names where it came from', async () => {
  await expect(load({ yaml: 'httpPort: 99999\n' })).rejects.toThrow('node.yaml:1:11: httpPort: expected a whole number between 0 and 65535')
  await expect(load({ env: { OSIRIS_HTTP_PORT: 'x' } })).rejects.toThrow('OSIRIS_HTTP_PORT: expected a whole number between 0 and 65535')
  await expect(load({ flags: { httpPort: '-1' } })).rejects.toThrow('--http-port: expected a whole number between 0 and 65535')
  await expect(load({ flags: { roles: 'router,cook' } })).rejects.toThrow('--roles: roles are router, catalog, builder, executor, codegen')
  await expect(load({ flags: { drainTimeout: 'long' } })).rejects.toThrow('--drain-timeout: expected a duration such as 250ms, 10s or 5m')
  await expect(load({ flags: { join: 'somewhere' } })).rejects.toThrow(/^--join: expected a join token/)
  await expect(load({ flags: { join: 'osiris1.zzzz' } })).rejects.toThrow(/^Cannot read the join token/)
  await expect(load({ flags: { name: 'Ada', logLevel: 'loud' } })).rejects.toThrow(/^--name: .*\n--log-level: expected debug/)
})

it('a file that was named must be there; the default one need not', async () => {
  await expect(
    load({ file: '/x/other.yaml', read: () => Promise.reject(Object.assign(new Error(''), { code: 'ENOENT' })) }),
  ).rejects.toThrow('Cannot read /x/other.yaml: there is no such file')
  await expect(load({})).resolves.toBeDefined()
})

it('a file that holds no keys is refused, an empty one is not', async () => {
  await expect(load({ yaml: '- a\n' })).rejects.toThrow('node.yaml:1:1: expected keys and values, found a list')
  await expect(load({ yaml: '# nothing\n' })).resolves.toMatchObject({ httpPort: 4747 })
})

it('the key of the universe and the developer token come with join tokens', async () => {
  const universe = createUniverse('default', createIdentity().id)
  const token = formatJoinToken({ universe, bootstrap: ['/ip4/127.0.0.1/tcp/1/p2p/12D3x'], token: 'a.b.c' })
  const config = await load({ env: { OSIRIS_UNIVERSE: token }, flags: { join: '/ip4/127.0.0.1/tcp/2/p2p/12D3y', developer: true } })
  expect(config.join).toEqual(['/ip4/127.0.0.1/tcp/2/p2p/12D3y', token])
  expect(config.developerToken).toBe('a.b.c')
  expect((await load({ flags: { join: token } })).developerToken).toBeUndefined()
})

it('every key of the table is in the schema, every key of the schema in the table, and the README shows the table', async () => {
  expect(configKeys.map((each) => each.key)).toEqual(Object.keys(nodeConfigSchema.shape))
  expect(new Set(configKeys.map((each) => each.env)).size).toBe(configKeys.length)
  for (const each of configKeys) expect(each.reason).not.toBe('')
  expect(await readFile(new URL('README.md', import.meta.url), 'utf8')).toContain(keysTable())
})

it('any host name gives a valid node name', () => {
  fc.assert(fc.property(fc.string(), (text) => /^[a-z][a-z0-9-]{0,62}$/.test(nameFrom(text))))
})

it('nearest() finds typing errors and no more', () => {
  expect(nearest('timeot', ['timeout', 'memory'])).toBe('timeout')
  expect(nearest('banana', ['timeout', 'memory'])).toBeUndefined()
})
