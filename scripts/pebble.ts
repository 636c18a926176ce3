/**
 * `node scripts/pebble.ts FOLDER`: a node's door gets a certificate from Pebble, the ACME server that Let's Encrypt tests clients with. FOLDER has `pebble` and
 * `pebble-challtestsrv`; on Debian: `apt-get download pebble && dpkg -x pebble_*.deb .` puts them into usr/bin.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { createAcme } from '#node/http'
import { createFakeNode } from '#node/http/testing'
import { systemClock } from '#protocols/lifecycle'
import { createEvents } from '#protocols/events'
import { until } from '#protocols/until'

const HOST = 'shop.example.org'
const BOUND_MS = 120_000
const fixtures = fileURLToPath(new URL('../fixtures/certificates/', import.meta.url))
const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node scripts/pebble.ts FOLDER')

const dir = mkdtempSync(join(tmpdir(), 'osiris-pebble-'))
const children: ChildProcess[] = []
const events = createEvents()
events.on('log', ({ text }) => void process.stderr.write(`${text}\n`))
const ca = readFileSync(join(fixtures, 'localhost.crt'), 'utf8')
const [directoryPort, dnsPort] = [14_000 + (process.pid % 1000), 15_000 + (process.pid % 1000)]
const acme = createAcme({
  directory: `https://localhost:${directoryPort}/dir`,
  email: 'ada@example.org',
  folder: join(dir, 'certificates'),
  hosts: async () => [HOST],
  clock: systemClock,
  events,
  ca,
})
const node = await createFakeNode({ tls: { port: 0, acme } })
try {
  await node.server.start()
  const httpPort = Number(new URL(node.server.url).port)
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
  await until(() => answers(directoryPort), BOUND_MS)
  await acme.certificates.round()
  const { subjectaltname, issuer } = await certificateFor(HOST, Number(new URL(node.server.secureUrl as string).port))
  process.stdout.write(`${subjectaltname} by ${String(issuer.CN)}\n`)
} finally {
  for (const child of children) child.kill('SIGKILL')
  await node.server.stop()
  rmSync(dir, { recursive: true, force: true })
}

function answers(port: number): Promise<boolean> {
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
