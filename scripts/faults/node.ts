/** One node of a universe to which bad things happen: `osiris node start` in a process of its own, started again on the same folder and ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isRunning, LIFELINE, markOf, nextLine, type NodeState, type ProcessMark, readNode } from '#node/universe'
import type { Role } from '#protocols/lifecycle'
import { connect, type Osiris } from '#sdk'
import { HERE, type Place } from './place.ts'

const BIN = fileURLToPath(new URL('../../node/cli/bin.js', import.meta.url))
/** A start takes half a second; a machine that is busy with others is given its time. */
const READY_MS = 90_000
const STOP_MS = 15_000
/** Longer than any write of the deployers waits. */
const ANSWER_MS = 20_000
const LOG_TAIL = 2000

interface Life {
  child: ChildProcess
  ended: Promise<string>
  /** Its ending was asked for. */
  isOver: boolean
}

export class FaultNode {
  readonly name: string
  readonly dataDir: string
  /** What it did that nobody asked for. */
  readonly troubles: string[] = []
  /** Answers to calls through it, by the node that ran them. */
  readonly ranAt = new Map<string, number>()
  readonly #dir: string
  readonly #roles: readonly Role[]
  readonly #place: Place
  /** What its processes had started when they were killed, and had to end by itself. */
  readonly #children: ProcessMark[] = []
  #life: Life | undefined
  #client: Osiris | undefined
  /** Picked by the kernel at the first start and kept, as an operator's are. */
  #ports: { http: number; p2p: number }

  constructor(name: string, roles: readonly Role[], dir: string, place = HERE) {
    this.name = name
    this.dataDir = join(dir, name)
    this.#dir = dir
    this.#roles = roles
    this.#place = place
    this.#ports = { http: place.http.port, p2p: place.p2p.port }
  }

  /** For a node that is ready. */
  get client(): Osiris | undefined {
    return this.#client
  }

  /** Of its HTTP door, once it was ready. */
  get url(): string | undefined {
    return this.#place.url ?? this.state?.http
  }

  /** Has a process, ready or not. */
  get isUp(): boolean {
    return this.#life !== undefined
  }

  get pid(): number | undefined {
    return this.#life?.child.pid
  }

  get state(): NodeState | undefined {
    return readNode(this.#dir, this.name)
  }

  /** Resolves when it is ready, or was killed before; anything else is one of its `troubles`. `invitation`: a join token, for its first start. */
  async start(token?: string, invitation?: string): Promise<void> {
    const life = this.#spawn(invitation)
    const late = new AbortController()
    const line = await Promise.race([
      nextLine(life.child.stdout as NonNullable<ChildProcess['stdout']>),
      sleep(READY_MS, 'late' as const, { signal: late.signal }),
    ])
    late.abort()
    if (line === 'late') this.troubles.push(`${this.name} was not ready after ${READY_MS} ms: ${this.#log()}`)
    if (life.isOver || line === 'late') return
    if (line?.event === 'ready') {
      life.child.stdout?.resume()
      this.#ports = { http: Number(new URL(line.http).port), p2p: Number(line.p2p[0]?.split('/')[4]) }
      const known = token ?? this.state?.developerToken
      this.#client = await connect({
        url: this.#place.url ?? line.http,
        timeoutMs: ANSWER_MS,
        fetch: (...request) => this.#asked(fetch(...request)),
        ...(known === undefined ? {} : { token: known }),
      })
      return
    }
    await life.ended
    // Between a death and the next start somebody else was given the port.
    if (line?.event === 'failed' && line.error.code === 'conflict' && line.error.message.startsWith('Cannot listen')) {
      this.#ports = { http: this.#place.http.port, p2p: this.#place.p2p.port }
      return this.start(token, invitation)
    }
    this.troubles.push(`${this.name} did not start: ${line?.event === 'failed' ? line.error.message : this.#log()}`)
  }

  /** SIGKILL; resolves when the process is gone. `false` when there was none. */
  async kill(): Promise<boolean> {
    const life = this.#leave()
    if (life === undefined) return false
    this.#children.push(...below(life.child.pid ?? 0))
    life.child.kill('SIGKILL')
    await life.ended
    return true
  }

  /** To it and every process below it. */
  signalAll(signal: NodeJS.Signals): void {
    const pid = this.#life?.child.pid
    if (pid === undefined) return
    for (const each of [pid, ...below(pid).map((mark) => mark.pid)]) send(each, signal)
  }

  /** To its main process alone. */
  signal(signal: NodeJS.Signals): void {
    this.#life?.child.kill(signal)
  }

  /** To every process below it. */
  signalWorkers(signal: NodeJS.Signals): void {
    for (const { pid } of below(this.#life?.child.pid ?? 0)) send(pid, signal)
  }

  /** SIGTERM, as an operator stops it; what does not end in good order is one of its `troubles`. */
  async stop(): Promise<void> {
    const life = this.#leave()
    if (life === undefined) return
    this.#children.push(...below(life.child.pid ?? 0))
    life.child.kill('SIGTERM')
    const killer = setTimeout(() => life.child.kill('SIGKILL'), STOP_MS)
    const ending = await life.ended
    clearTimeout(killer)
    if (ending !== 'exit code 0') this.troubles.push(`${this.name} was told to stop and ended with ${ending}: ${this.#log()}`)
  }

  /** Processes it left behind. */
  orphans(): ProcessMark[] {
    return this.#children.filter(isRunning)
  }

  async #asked(answer: Promise<Response>): Promise<Response> {
    const { headers } = await answer
    const ranAt = headers.get('osiris-node')
    if (ranAt !== null) this.ranAt.set(ranAt, (this.ranAt.get(ranAt) ?? 0) + 1)
    return answer
  }

  #leave(): Life | undefined {
    const life = this.#life
    if (life !== undefined) life.isOver = true
    this.#life = undefined
    this.#client = undefined
    return life
  }

  #spawn(invitation: string | undefined): Life {
    const { http, p2p } = this.#ports
    const { inside, http: door, p2p: mesh } = this.#place
    const listen = ['--http-host', door.host, '--http-port', String(http), '--p2p-listen', `/ip4/${mesh.host}/tcp/${p2p}`]
    const places = ['--data', this.dataDir, '--state', this.#dir, ...listen]
    const flags = [
      '--name',
      this.name,
      '--roles',
      this.#roles.join(),
      '--developer',
      '--egress-private',
      '--spares',
      '1',
      '--log-level',
      'warn',
    ]
    const env = {
      ...{ PATH: process.env['PATH'], HOME: this.#dir, NO_COLOR: '1' },
      ...(invitation === undefined ? {} : { OSIRIS_JOIN: invitation }),
      // Whatever becomes of this process, the node does not outlive it.
      [LIFELINE]: JSON.stringify(markOf(process.pid)),
    }
    const log = openSync(this.#logPath, 'a')
    const [command = '', ...args] = [...inside, process.execPath, BIN, 'node', 'start', '--json', ...places, ...flags]
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', log], detached: true })
    closeSync(log)
    const life: Life = { child, isOver: false, ended: endingOf(child) }
    this.#life = life
    void life.ended.then((ending) => {
      if (life.isOver) return
      this.#leave()
      this.troubles.push(`${this.name} ended by itself (${ending}): ${this.#log()}`)
    })
    return life
  }

  get #logPath(): string {
    return join(this.#dir, `${this.name}.log`)
  }

  #log(): string {
    return readFileSync(this.#logPath, 'utf8').slice(-LOG_TAIL)
  }
}

/** One that has ended meanwhile hears nothing. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // gone
  }
}

function endingOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}

/** Every process below one (proc_pid_task_children of proc(5)); none where the host does not tell. */
function below(pid: number): ProcessMark[] {
  const children = tasksOf(pid).flatMap((task) => textOf(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number))
  return children.flatMap((child) => [...below(child), ...[markOf(child)].filter((mark) => mark !== undefined)])
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
