/** Osiris as its users have it: the command line and HTTP, in a data and state directory of its own. */
import type { SpawnOptions } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { FunctionConfig } from '#protocols/manifest'
import { background, type Finished, run, until } from './children.ts'
import type { Cleanup } from './cleanup.ts'
import { NAMESPACE } from './subject.ts'

const BIN = fileURLToPath(new URL('../../node/cli/bin.js', import.meta.url))
const READY_MS = 30_000
const DEPLOY_MS = 30_000
/** Fine enough against bars of 1000 ms and 150 ms; ten nodes asked more often would be busy with the asking. */
const CALL_EVERY_MS = 20
const LOOK_EVERY_MS = 10

const readySchema = z.looseObject({ http: z.string() })
const stateSchema = z.looseObject({ joinToken: z.string() })
const statusSchema = z.looseObject({ nodes: z.array(z.looseObject({ name: z.string(), http: z.string(), pid: z.number() })) })

export interface BenchNode {
  /** Base URL. */
  http: string
  joinToken: string
  pid: number
  /** Its data directory. */
  dataDir: string
  stop: () => Promise<void>
}

export interface BenchUniverse {
  /** Base URLs, the bootstrap node first. */
  http: string[]
  stop: () => Promise<void>
}

export class Osiris {
  readonly #home: string
  readonly #env: NodeJS.ProcessEnv
  readonly #cleanup: Cleanup

  private constructor(home: string, cleanup: Cleanup) {
    this.#home = home
    this.#cleanup = cleanup
    const outside = Object.entries(process.env).filter(([key]) => !key.startsWith('OSIRIS_'))
    const inside = { XDG_DATA_HOME: join(home, 'data'), XDG_STATE_HOME: join(home, 'state'), XDG_CONFIG_HOME: join(home, 'config') }
    this.#env = { ...Object.fromEntries(outside), ...inside, NO_COLOR: '1' }
  }

  /** A fresh place on disk, gone with `cleanup`. */
  static async create(cleanup: Cleanup): Promise<Osiris> {
    const home = await mkdtemp(join(tmpdir(), 'osiris-bench-'))
    cleanup.add(() => rm(home, { recursive: true, force: true }))
    await mkdir(join(home, 'work'))
    return new Osiris(home, cleanup)
  }

  /** One command, run to its end. Throws when it fails. */
  command(...args: string[]): Promise<Finished> {
    return this.#run(args, { signal: this.#cleanup.signal })
  }

  #run(args: string[], options: SpawnOptions = {}): Promise<Finished> {
    return run(process.execPath, [BIN, ...args], { ...options, env: this.#env, cwd: join(this.#home, 'work') })
  }

  /** A node in its own process, open to this machine. Without `join` it founds a universe. */
  async startNode(name: string, roles: string, join_?: string): Promise<BenchNode> {
    const dataDir = join(this.#home, 'data', name)
    const places = ['--data', dataDir, '--http-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0']
    const args = [BIN, 'node', 'start', '--json', '--name', name, '--roles', roles, '--developer', ...places]
    const env = { ...this.#env, ...(join_ === undefined ? {} : { OSIRIS_JOIN: join_ }) }
    const child = background(this.#cleanup, process.execPath, args, { env, cwd: join(this.#home, 'work') })
    const { http } = readySchema.parse(JSON.parse(await child.firstLine))
    const state = await readFile(join(this.#home, 'state', 'osiris', 'nodes', `${name}.json`), 'utf8')
    return { http, joinToken: stateSchema.parse(JSON.parse(state)).joinToken, pid: child.pid, dataDir, stop: child.stop }
  }

  /** A universe whose nodes are all ready. */
  async startUniverse(name: string, nodes: number): Promise<BenchUniverse> {
    // Registered first: a start that is interrupted leaves nodes behind.
    const stop = this.#cleanup.add(() => this.#stopUniverse(name))
    await this.command('universe', 'start', name, '--nodes', String(nodes), '--detach', '--json')
    const status = await this.#status(name)
    return { http: status.nodes.map((node) => node.http), stop }
  }

  /** A universe whose nodes are all in one process, ready. */
  async startUniverseHere(name: string, nodes: number): Promise<BenchUniverse & { pid: number }> {
    const args = [BIN, 'universe', 'start', name, '--nodes', String(nodes), '--in-process', '--json']
    const child = background(this.#cleanup, process.execPath, args, { env: this.#env, cwd: join(this.#home, 'work') })
    const status = statusSchema.parse(JSON.parse(await child.firstLine))
    return { http: status.nodes.map((node) => node.http), pid: child.pid, stop: child.stop }
  }

  /** Writes a source file and returns its path. */
  async write(file: string, source: string): Promise<string> {
    const path = join(this.#home, 'work', file)
    await writeFile(path, source)
    return path
  }

  async #status(name: string) {
    const { stdout } = await this.#run(['universe', 'status', name, '--json'])
    return statusSchema.parse(JSON.parse(stdout))
  }

  /** Asks first; what is still there afterwards is killed by the pids the universe named. */
  async #stopUniverse(name: string): Promise<void> {
    const status = await this.#status(name).catch(() => undefined)
    await this.#run(['universe', 'stop', name]).catch(() => undefined)
    for (const { pid } of status?.nodes ?? []) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  }
}

/** `PUT /v1/functions/{namespace}/{name}`; throws for anything but success. */
export async function deploy(
  http: string,
  name: string,
  source: string,
  { namespace = NAMESPACE, config = {} }: { namespace?: string; config?: FunctionConfig } = {},
): Promise<void> {
  const response = await fetch(`${http}/v1/functions/${namespace}/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ source, language: 'typescript', config }),
    signal: AbortSignal.timeout(DEPLOY_MS),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`Cannot deploy ${name} to ${http}: ${response.status} ${text}`)
}

/** Milliseconds from now until the node answers a call of the function with 200. */
export async function callable(http: string, name: string, body: string): Promise<number> {
  const start = performance.now()
  await until(`${http} calls ${name}`, CALL_EVERY_MS, READY_MS, async () => {
    const response = await fetch(`${http}/v1/call/${NAMESPACE}/${name}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
    return true
  })
  return performance.now() - start
}

/** Milliseconds from now until the node shows the function. */
export async function visible(http: string, name: string, timeoutMs = READY_MS): Promise<number> {
  const start = performance.now()
  await until(`${http} shows ${name}`, LOOK_EVERY_MS, timeoutMs, async () => {
    const response = await fetch(`${http}/v1/functions/${NAMESPACE}/${name}`)
    await response.arrayBuffer()
    return response.status === 200 ? true : undefined
  })
  return performance.now() - start
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}
