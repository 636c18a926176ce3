/**
 * `node scripts/pebble.ts FOLDER`: what a node uses gets a certificate from Pebble, the ACME server that Let's Encrypt tests clients with, which asks back at another
 * node than the one that orders, as behind a load balancer. FOLDER has `pebble` and `pebble-challtestsrv`; on Debian: `apt-get download pebble && dpkg -x pebble_*.deb .`
 * puts them into usr/bin.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createHttp } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, createServer as createTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { Challenges, createAcme } from '#node/http'
import { systemClock } from '#protocols/lifecycle'
import { createEvents } from '#protocols/events'
import { MemoryMesh, type Network } from '#protocols/network'

const HOST = 'shop.example.org'
const BOUND_MS = 120_000
const fixtures = fileURLToPath(new URL('../fixtures/certificates/', import.meta.url))
const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node scripts/pebble.ts FOLDER')

interface Place {
  network: Network
  challenges: Challenges
}

const dir = mkdtempSync(join(tmpdir(), 'osiris-pebble-'))
const children: ChildProcess[] = []
const events = createEvents()
events.on('log', ({ text }) => void process.stderr.write(`${text}\n`))
const ca = readFileSync(join(fixtures, 'localhost.crt'), 'utf8')
const [directoryPort, dnsPort] = [14_000 + (process.pid % 1000), 15_000 + (process.pid % 1000)]
const mesh = new MemoryMesh()
const [orders, answers] = ['orders', 'answers'].map((name) => {
  const network = mesh.network({ name, roles: ['router'] })
  const challenges = new Challenges({ clock: systemClock, network })
  challenges.serve()
  return { network, challenges }
}) as [Place, Place]
const certificates = createAcme({
  directory: `https://localhost:${directoryPort}/dir`,
  email: 'ada@example.org',
  folder: join(dir, 'certificates'),
  hosts: async () => [HOST],
  challenges: orders.challenges,
  clock: systemClock,
  events,
  ca,
})
const http = createHttp((request, response) => {
  if (!answers.challenges.respond(request, response, request.url ?? '')) response.writeHead(404).end()
})
const tls = createTls({ SNICallback: (name, done) => done(null, certificates.contextFor(name)) })
tls.on('tlsClientError', (_error, socket) => socket.destroy())
try {
  const [httpPort, tlsPort] = await Promise.all([listen(http), listen(tls)])
  const files = { certificate: join(fixtures, 'localhost.crt'), privateKey: join(fixtures, 'localhost.key') }
  const pebble = { listenAddress: `127.0.0.1:${directoryPort}`, managementListenAddress: '', ...files, httpPort, tlsPort: 5001 }
  writeFileSync(join(dir, 'pebble.json'), JSON.stringify({ pebble }))
  const off = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-management', '127.0.0.1:0']
  children.push(
    spawn(join(folder, 'pebble-challtestsrv'), ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-dns01', `127.0.0.1:${dnsPort}`, ...off]),
  )
  const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1' }
  children.push(
    spawn(join(folder, 'pebble'), ['-config', join(dir, 'pebble.json'), '-dnsserver', `127.0.0.1:${dnsPort}`, '-strict'], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  )
  const boundAt = performance.now() + BOUND_MS
  while (!(await isOpen(directoryPort)) && performance.now() < boundAt) await pause(50)
  await Promise.all([orders.network.start(), answers.network.start()])
  while (orders.network.members.list().length === 0 && performance.now() < boundAt) await pause(50)
  await certificates.round()
  const { subjectaltname, issuer } = await certificateFor(HOST, tlsPort)
  process.stdout.write(`${subjectaltname} by ${String(issuer.CN)}\n`)
} finally {
  for (const child of children) child.kill('SIGKILL')
  http.close()
  tls.close()
  await mesh.stop()
  rmSync(dir, { recursive: true, force: true })
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca, servername: 'localhost' }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

function certificateFor(servername: string, port: number): Promise<ReturnType<ReturnType<typeof connect>['getPeerCertificate']>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate())
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
