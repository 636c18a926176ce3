/** A universe of real processes that lose some, and a server outside it that hears what functions fetch. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './universe/ports.fixture.ts'

export interface StatusNode {
  name: string
  roles: string[]
  http: string
  pid: number | null
}

export interface Lossy {
  /** Of the test. */
  dir: string
  /** Of the server outside. */
  origin: string
  /** Runs the command line; what it printed. */
  osiris: (...args: string[]) => Promise<string>
  nodes: () => Promise<StatusNode[]>
  stop: () => Promise<void>
}

const BIN = fileURLToPath(new URL('./cli/bin.js', import.meta.url))

/** The default universe: five nodes, several of them routers. */
export async function openLossy(listener: RequestListener): Promise<Lossy> {
  const dir = mkdtempSync(join(tmpdir(), 'osiris-losses-'))
  const collector = createServer(listener).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const env = {
    PATH: process.env['PATH'],
    HOME: dir,
    XDG_DATA_HOME: join(dir, 'data'),
    XDG_STATE_HOME: join(dir, 'state'),
    XDG_CONFIG_HOME: join(dir, 'config'),
  }
  const osiris = async (...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(process.execPath, [BIN, ...args], { env }, (error, out, err) => (error === null ? resolve(out) : reject(new Error(err))))
    })
  await osiris('universe', 'start', '--detach', '--http-port', String(await freePort()))
  return {
    dir,
    origin: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    osiris,
    nodes: async () => (JSON.parse(await osiris('universe', 'status', '--json')) as { nodes: StatusNode[] }).nodes,
    async stop() {
      await osiris('universe', 'stop').catch(() => {})
      collector.close().closeAllConnections()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
