/** A small world for the router's tests: a catalog in memory, executors that count what they start, callers with and without grants. */
import { Access, type Capability, createIdentity, issueToken } from '#protocols/access'
import type { AliasTargets, Catalog, FunctionRecord, RouteRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { ExecutorStatus } from '#protocols/executor'
import { type Caller, failed, type Invocation, type Outcome, type OutcomeMeta, type PlacedInvocation } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { functionConfigSchema, type FunctionConfig, settingsOf } from '#protocols/manifest'
import type { Member, Members } from '#protocols/network'
import type { LocalExecutor } from './candidates.ts'

const ROOT = createIdentity(new Uint8Array(32).fill(7))
export const accessOf = () => new Access({ root: ROOT.id, clock: systemClock })

export async function callerWith(namespace: string, can: Capability = 'invoke'): Promise<Caller> {
  const token = await issueToken(ROOT, 'ada', [{ can: [can], namespaces: [namespace] }], Date.now() + 3_600_000)
  return { subject: 'ada', token }
}

export class FakeCatalog implements Pick<Catalog, 'get' | 'routes'> {
  readonly #records = new Map<string, FunctionRecord>()
  #routes: RouteRecord[] = []
  /** Answers as a client does, with promises. */
  remote = false

  add(
    namespace: string,
    name: string,
    config: FunctionConfig = {},
    aliases: Record<string, AliasTargets> = {},
    version = versionFor(name),
    live = version,
    asker?: string,
  ): this {
    const settings = settingsOf(functionConfigSchema.parse(config))
    const record: FunctionRecord = {
      namespace,
      name,
      version,
      ordinal: 1,
      manifest: {
        format: 1,
        namespace,
        name,
        artifact: { digest: version, bytes: 1 },
        source: { digest: version, entry: 'x.ts', language: 'typescript' },
        parameters: [],
        settings,
        tests: [],
        provenance: { node: 'none', tools: [], files: [] },
      },
      aliases: { live: [{ version: live, weight: 100 }], ...aliases },
      versions: 1,
      publishedAt: 0,
      publishedBy: 'ada',
      author: 'a'.repeat(64),
      asker,
    }
    if (!this.#records.has(`${namespace}/${name}`)) this.#records.set(`${namespace}/${name}`, record)
    this.#records.set(`${namespace}/${name}@${version}`, record)
    this.#routes = [...this.#routes, ...settings.routes.map((route) => ({ route, namespace, name }))]
    return this
  }

  get(ref: { namespace: string; name: string; selector?: string }) {
    const record = this.#records.get(`${ref.namespace}/${ref.name}${ref.selector === undefined ? '' : `@${ref.selector}`}`)
    if (record !== undefined) return this.remote ? Promise.resolve(record) : record
    const missing = new OsirisError('not_found', `Cannot find "${ref.namespace}/${ref.name}": no such function`)
    if (this.remote) return Promise.reject(missing)
    throw missing
  }

  routes() {
    return this.remote ? Promise.resolve(this.#routes) : this.#routes
  }
}

export function versionFor(name: string): string {
  return Buffer.from(name.padEnd(32, '.').slice(0, 32)).toString('hex')
}

const SPLIT = {
  live: [
    { version: versionFor('split'), weight: 50 },
    { version: versionFor('split-2'), weight: 50 },
  ],
}

/** The functions every router of the suite knows. */
export function demoCatalog(): FakeCatalog {
  return new FakeCatalog()
    .add('demo', 'greet')
    .add('demo', 'open', { access: 'public' })
    .add('demo', 'hang', { execution: { timeout: '300ms' } })
    .add('demo', 'throw')
    .add('demo', 'listen', { subscribe: ['orders.*'] })
    .add('demo', 'again', { idempotent: true })
    .add('demo', 'split', {}, SPLIT)
    .add('demo', 'split', {}, SPLIT, versionFor('split-2'))
    .add('demo', 'open', { access: 'public' }, {}, versionFor('open-2'), versionFor('open'))
    .add('demo', 'site', { access: 'public', routes: ['GET,POST shop.example.org/items/:id', 'GET /only/get'] })
}

export type Behaviour = (invocation: PlacedInvocation, meta: OutcomeMeta) => Promise<Outcome>

/** Runs what the demo functions do, counts every start by call, and refuses or breaks when told to. */
export class FakeExecutor implements LocalExecutor {
  readonly name: string
  /** Starts of each call, over all executors that share the map. */
  readonly starts: Map<string, number>
  readonly warm = new Set<string>()
  readonly aborted: string[] = []
  capacity = 10
  inFlight = 0
  /** Instead of running: before the start. */
  refuse: ((invocation: PlacedInvocation) => OsirisError | undefined) | undefined
  /** Instead of the function's own answer: after the start. */
  behave: Behaviour | undefined

  constructor(name: string, starts = new Map<string, number>()) {
    this.name = name
    this.starts = starts
  }

  get started(): number {
    return [...this.starts.values()].reduce((sum, each) => sum + each, 0)
  }

  isWarm(version: string): boolean {
    return this.warm.has(version)
  }

  hasRoom(version: string): boolean {
    return this.warm.has(version)
  }

  isFull(): boolean {
    return false
  }

  status(): ExecutorStatus {
    return {
      capacity: this.capacity,
      inFlight: this.inFlight,
      queued: 0,
      workers: [],
      warm: [...this.warm],
      walls: [],
      compiled: { used: 0, made: 0, forged: 0, rejected: 0, unwritten: 0, memoryBytes: 0, diskBytes: 0 },
    }
  }

  async invoke(invocation: PlacedInvocation): Promise<Outcome> {
    const meta: OutcomeMeta = {
      version: invocation.version,
      node: this.name,
      hops: invocation.hops,
      timing: { route: 0, queue: 0, cold: 0, run: 1, cpu: 1 },
    }
    const refusal = this.refuse?.(invocation)
    if (refusal !== undefined) return failed(refusal, meta)
    this.starts.set(invocation.id, (this.starts.get(invocation.id) ?? 0) + 1)
    this.inFlight++
    try {
      return await (this.behave ?? run(this))(invocation, meta)
    } finally {
      this.inFlight--
    }
  }
}

function run(executor: FakeExecutor): Behaviour {
  return async (invocation, meta) => {
    const { payload, target } = invocation
    if (target.name === 'throw')
      return failed(new OsirisError('function_failed', 'Cannot finish: it threw', { functionStack: 'at throw' }), meta, true)
    if (target.name === 'hang') return hang(executor, invocation, meta)
    if (payload.kind !== 'fetch') return { kind: 'value', value: payload.kind === 'call' ? payload.args : payload.event, meta }
    const headers: [string, string][] = [
      ['x-params', JSON.stringify(payload.params ?? {})],
      ['x-url', payload.url],
    ]
    return payload.body === undefined
      ? { kind: 'response', status: 200, headers, meta }
      : { kind: 'response', status: 200, headers, body: payload.body, meta }
  }
}

async function hang(executor: FakeExecutor, { id, deadlineAt, signal }: PlacedInvocation, meta: OutcomeMeta): Promise<Outcome> {
  const ended = Promise.withResolvers<void>()
  const cancel = systemClock.after(Math.max(0, deadlineAt - systemClock.monotonic()), ended.resolve)
  signal?.addEventListener('abort', () => {
    executor.aborted.push(id)
    ended.resolve()
  })
  await ended.promise
  cancel()
  return failed(new OsirisError('deadline_exceeded', 'Cannot finish: the deadline passed'), meta, true)
}

let calls = 0
export function callOf(name: string, parts: Partial<Invocation> = {}): Invocation {
  return {
    id: (++calls).toString(16).padStart(32, '0'),
    target: { namespace: 'demo', name },
    payload: { kind: 'call', args: Buffer.from('["Ada"]') },
    caller: { subject: 'anonymous' },
    deadlineAt: systemClock.monotonic() + 5000,
    hops: 0,
    depth: 0,
    ...parts,
  }
}

export function requestOf(
  method: string,
  url: string,
  parts: Partial<Extract<Invocation['payload'], { kind: 'fetch' }>> = {},
): Partial<Invocation> {
  const { hostname, pathname } = new URL(url)
  return { target: { host: hostname, method, path: pathname }, payload: { kind: 'fetch', method, url, headers: [], ...parts } }
}

export class FakeMembers implements Members {
  #members: Member[] = []
  list = () => this.#members
  get = (peer: string) => this.#members.find((each) => each.peer === peer)
  withRole = () => this.#members
  naming = () => this.#members
  onChange = () => () => {}

  set(...members: Partial<Member>[]): void {
    this.#members = members.map((each, index) => ({
      peer: `peer-${index}`,
      name: `node-${index}`,
      roles: ['executor'],
      addresses: [],
      capacity: 10,
      inFlight: 0,
      warm: [],
      functions: 0,
      protocol: { min: 1, max: 1 },
      seenAt: 0,
      connected: true,
      ...each,
    }))
  }
}
