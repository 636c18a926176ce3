/** Who Osiris is measured against: each serves the same function at the same path, in a process of its own. */
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import workerd from 'workerd'
import { background, freePort, until } from '../children.ts'
import type { Cleanup } from '../cleanup.ts'
import { assertServes, SOURCE } from '../subject.ts'

export interface Contender {
  name: string
  base: string
  stop: () => Promise<void>
}

const LOOK_MS = 20
const READY_MS = 10_000

export const startHono = (cleanup: Cleanup) => startNode(cleanup, 'hono')
export const startBare = (cleanup: Cleanup) => startNode(cleanup, 'bare')

async function startNode(cleanup: Cleanup, name: string): Promise<Contender> {
  const port = await freePort()
  const child = background(cleanup, process.execPath, [fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), String(port)])
  return ready({ name, base: `http://127.0.0.1:${port}`, stop: child.stop })
}

export async function startWorkerd(cleanup: Cleanup): Promise<Contender> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'osiris-bench-workerd-'))
  cleanup.add(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'greet.js'), SOURCE)
  await writeFile(join(folder, 'worker.js'), WORKER)
  await writeFile(join(folder, 'config.capnp'), configuration(port))
  const child = background(cleanup, workerd.default, ['serve', join(folder, 'config.capnp')])
  return ready({ name: 'workerd', base: `http://127.0.0.1:${port}`, stop: child.stop })
}

async function ready(contender: Contender): Promise<Contender> {
  await until(`${contender.name} serves`, LOOK_MS, READY_MS, async () => {
    await assertServes(contender.base)
    return true
  })
  return contender
}

const WORKER = `import greet from './greet.js'
export default {
  async fetch(request) {
    return Response.json(greet(...(await request.json())))
  },
}
`

function configuration(port: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js"), (name = "greet.js", esModule = embed "greet.js")],
  compatibilityDate = "2026-10-01",
);
`
}
