/** Certificates from an authority. The protocol itself is `acme-client`'s, and was run against Pebble (`scripts/pebble.ts`); here an authority is a function. */
import type { ServerResponse } from 'node:http'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encode } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import { type Clock, type Role, systemClock } from '#protocols/lifecycle'
import { MemoryMesh, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { createFakeNode } from '../../testing/index.ts'
import type { Issued } from './authority.ts'
import { AcmeCertificates } from './certificates.ts'
import { CHALLENGE_PROTOCOL, Challenges } from './challenges.ts'
import { dueAt } from './due.ts'
import { CertificateFolder } from './folder.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS
const FIXTURES = fileURLToPath(new URL('../../../../fixtures/certificates/', import.meta.url))
const HOST = 'shop.example.org'
let dir: string
let now: number
let hosts: string[]
let orders: string[]
let failing: boolean
const told: string[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'osiris-acme-'))
  now = new Date('2027-01-01').getTime()
  hosts = [HOST]
  orders = []
  failing = false
  told.length = 0
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** Those of fixtures/certificates, good for a hundred years, in turn. */
async function issue(): Promise<Issued> {
  const name = orders.length % 2 === 1 ? 'renewed' : 'localhost'
  const [cert, key] = await Promise.all(['crt', 'key'].map((end) => readFile(join(FIXTURES, `${name}.${end}`), 'utf8')))
  return { cert: cert as string, key: key as string }
}

function create(): AcmeCertificates {
  const events = createEvents()
  events.on('log', ({ text }) => void told.push(text))
  const clock: Clock = { ...systemClock, now: () => now }
  return new AcmeCertificates({
    folder: new CertificateFolder(join(dir, 'certificates')),
    hosts: async () => hosts,
    clock,
    events,
    authority: {
      order: async (host) => {
        orders.push(host)
        if (failing) throw new Error('too many certificates')
        return issue()
      },
    },
  })
}

describe('dueAt()', () => {
  it('is ahead of the end, and never sooner for having failed', () => {
    const times = fc.tuple(fc.nat(1e12), fc.integer({ min: HOUR_MS, max: 1e10 }), fc.nat(1e12), fc.nat(40))
    fc.assert(
      fc.property(times, ([from, length, failedAt, failures]) => {
        const to = from + length
        const due = dueAt({ from, to, failures: 0 })
        expect(due).toBeGreaterThan(from)
        expect(due).toBeLessThan(to)
        const after = dueAt({ from, to, failedAt, failures })
        expect(after).toBeGreaterThanOrEqual(due)
        expect(failures === 0 || after >= failedAt + HOUR_MS).toBe(true)
        expect(after).toBeLessThanOrEqual(Math.max(due, failedAt + 24 * HOUR_MS))
      }),
    )
  })

  it('is at once where there is none', () => {
    expect(dueAt({ failures: 0 })).toBe(0)
    expect(dueAt({ failures: 3, failedAt: 1000 })).toBe(1000 + 4 * HOUR_MS)
  })
})

describe('certificates', () => {
  it('are ordered for names that lead here, served by name, kept for the node alone, and read again', async () => {
    const certificates = create()
    await certificates.start()
    expect(certificates.contextFor(HOST)).toBe(undefined)
    await certificates.round()
    await certificates.round()
    expect(orders).toEqual([HOST])
    expect(certificates.contextFor('SHOP.example.org')).toBeDefined()
    expect(certificates.contextFor('other.example.org')).toBe(undefined)
    const folder = join(dir, 'certificates')
    expect(await readdir(folder)).toEqual([`${HOST}.json`])
    expect((await stat(join(folder, `${HOST}.json`))).mode & 0o777).toBe(0o600)
    certificates.stop()

    const again = create()
    await again.start()
    await again.round()
    expect([again.contextFor(HOST) !== undefined, orders.length]).toEqual([true, 1])
    again.stop()
  })

  it('are renewed ahead, and one that has ended is served no more', async () => {
    const certificates = create()
    await certificates.round()
    const first = certificates.contextFor(HOST)
    now += 67 * YEAR_MS
    await certificates.round()
    expect([orders.length, certificates.contextFor(HOST) === first]).toEqual([2, false])
    failing = true
    now += 100 * YEAR_MS
    await certificates.round()
    expect(certificates.contextFor(HOST)).toBe(undefined)
  })

  it('that an authority refuses are asked for less and less often, and the log says why and when again', async () => {
    failing = true
    const certificates = create()
    for (let minute = 0; minute < 24 * 60; minute++) {
      await certificates.round()
      now += 60_000
    }
    expect(orders.length).toBe(5)
    expect(told[0]).toMatch(/Cannot get a certificate for shop\.example\.org: too many certificates; next try 20/)
  })

  it('that are damaged on disk are asked for again', async () => {
    await create().round()
    const path = join(dir, 'certificates', `${HOST}.json`)
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 100))
    const again = create()
    await again.start()
    await again.round()
    expect(orders).toEqual([HOST, HOST])
    again.stop()
  })
})

it('one key is the account’s', async () => {
  const folder = new CertificateFolder(join(dir, 'certificates'))
  expect(await folder.accountKey(async () => 'first')).toBe('first')
  expect(await new CertificateFolder(join(dir, 'certificates')).accountKey(async () => 'second')).toBe('first')
})

describe('the door', () => {
  it('answers the authority where it asks, and nobody else there; a name gets its own certificate, any other the operator’s', async () => {
    const mesh = new MemoryMesh()
    const challenges = new Challenges({ clock: systemClock, network: mesh.network({ name: 'n', roles: ['router'] }) })
    const certificates = create()
    const files = { cert: join(FIXTURES, 'localhost.crt'), key: join(FIXTURES, 'localhost.key') }
    const node = await createFakeNode({ challenges, tls: { port: 0, files, acme: certificates } })
    await node.server.start()
    await certificates.round()
    await challenges.put('token-1', 'token-1.thumbprint')
    const at = (path: string) => fetch(`${node.server.url}/.well-known/acme-challenge/${path}`)
    expect(await (await at('token-1')).text()).toBe('token-1.thumbprint')
    expect((await at('token-2')).status).toBe(404)
    challenges.drop('token-1')
    expect((await at('token-1')).status).toBe(404)
    const port = Number(new URL(node.server.secureUrl as string).port)
    const nameFor = async (servername: string) => {
      const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
      let name: string | undefined
      socket.once('secureConnect', () => (name = String(socket.getPeerCertificate().subject.CN)))
      await until(() => name !== undefined)
      socket.destroy()
      return name
    }
    expect([await nameFor(HOST), await nameFor('localhost')]).toEqual(['renewed', 'localhost'])
    await node.server.stop()
  })

  it('opens without a certificate of the operator too: then a name without one gets no handshake', async () => {
    const certificates = create()
    const node = await createFakeNode({ tls: { port: 0, acme: certificates } })
    await node.server.start()
    const port = Number(new URL(node.server.secureUrl as string).port)
    const socket = connect({ port, host: '127.0.0.1', servername: 'other.example.org', rejectUnauthorized: false })
    const failure = await new Promise<Error>((resolve) => socket.on('error', resolve))
    expect(failure).toBeInstanceOf(Error)
    await node.server.stop()
  })
})

describe('challenges', () => {
  const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA'
  const THUMBPRINT = 'LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0'
  let mesh: MemoryMesh
  let time: number
  const clock: Clock = { ...systemClock, monotonic: () => time }
  const nodes: { network: Network; challenges: Challenges }[] = []
  const add = (name: string, roles: Role[]) => {
    const network = mesh.network({ name, roles })
    const challenges = new Challenges({ clock, network })
    challenges.serve()
    nodes.push({ network, challenges })
    return challenges
  }
  /** What a door says: the answer, or whether it is somebody else's request. */
  const asked = (challenges: Challenges, token: string, method = 'GET') => {
    let text: unknown
    const response = { writeHead: () => {}, end: (body: unknown) => (text = body) } as unknown as ServerResponse
    return challenges.respond({ method }, response, `/.well-known/acme-challenge/${token}`) ? text : undefined
  }
  const joined = async () => {
    for (const { network } of nodes) await network.start()
    await until(() => nodes.every(({ network }) => network.members.list().length === nodes.length - 1))
  }
  beforeEach(() => {
    mesh = new MemoryMesh()
    time = 0
  })
  afterEach(async () => {
    nodes.length = 0
    await mesh.stop()
  })

  it('are answered by every node before the authority is told to look, and no longer than it may take', async () => {
    const [one, two, three] = [add('one', ['router']), add('two', ['router']), add('three', ['executor'])]
    await joined()
    await one.put(TOKEN, `${TOKEN}.${THUMBPRINT}`)
    for (const each of [one, two, three]) expect(asked(each, TOKEN)).toBe(`${TOKEN}.${THUMBPRINT}`)
    expect([asked(two, TOKEN, 'POST'), asked(two, 'another')]).toEqual([undefined, undefined])
    one.drop(TOKEN)
    time += 16 * 60_000
    for (const each of [one, two, three]) expect(asked(each, TOKEN)).toBe(undefined)
  })

  it('are taken from members that serve names, and only what is one', async () => {
    const [one, two] = [add('one', ['executor']), add('two', ['router'])]
    const router = add('three', ['router'])
    await joined()
    await one.put(TOKEN, `${TOKEN}.${THUMBPRINT}`)
    expect([asked(one, TOKEN), asked(two, TOKEN)]).toEqual([`${TOKEN}.${THUMBPRINT}`, undefined])
    const { network } = nodes[2] as (typeof nodes)[number]
    const to = (nodes[1] as (typeof nodes)[number]).network.peer
    const tell = (...words: unknown[]) => network.request(to, CHALLENGE_PROTOCOL, { head: encode(words) }, { timeoutMs: 1000 })
    for (const words of [
      [TOKEN, 'anything'],
      [TOKEN, `${'x'.repeat(43)}.${THUMBPRINT}`],
      [TOKEN, `${TOKEN}.${THUMBPRINT}.${THUMBPRINT}`],
      ['short', `short.${THUMBPRINT}`],
      ['a/../b'.repeat(9), `x.${THUMBPRINT}`],
      [1, 2],
      [],
    ])
      await expect(tell(...words)).rejects.toMatchObject({ code: 'invalid_argument' })
    for (let each = 0; each < 40; each++) await tell(`${TOKEN}${each}`, `${TOKEN}${each}.${THUMBPRINT}`)
    const kept = Array.from({ length: 40 }, (_, each) => asked(two, `${TOKEN}${each}`) !== undefined)
    expect([kept.filter(Boolean).length, kept[39]]).toEqual([16, true])
    expect(asked(router, TOKEN)).toBe(undefined)
  })

  it('wait for nobody for long who does not take them', async () => {
    const one = add('one', ['router'])
    const silent = mesh.network({ name: 'silent', roles: ['router'] })
    silent.handle(CHALLENGE_PROTOCOL, () => new Promise(() => {}))
    nodes.push({ network: silent, challenges: one })
    await joined()
    const startedAt = performance.now()
    await one.put(TOKEN, `${TOKEN}.${THUMBPRINT}`)
    expect(performance.now() - startedAt).toBeLessThan(4000)
  })
})
