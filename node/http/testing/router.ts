/** A router that runs functions in this very process: nothing is placed, nothing is walled off. */
import { Readable } from 'node:stream'
import type { Access } from '#protocols/access'
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import {
  type Body,
  failed,
  type FetchPayload,
  type Invocation,
  type Invoker,
  isRouteTarget,
  NO_TIMING,
  type Outcome,
  type OutcomeMeta,
  type Target,
} from '#protocols/invocation'
import { streamOf } from '#protocols/body'

type Web = { fetch(request: Request): Promise<Response> }
type Default = Web | ((...args: unknown[]) => unknown)

/** Nobody waits any more: an executor would end the run. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(new OsirisError('deadline_exceeded', 'Cannot finish: the caller is gone'))
    if (signal?.aborted === true) end()
    signal?.addEventListener('abort', end, { once: true })
  })
}

export class FakeRouter implements Invoker {
  readonly #catalog: Catalog
  readonly #access: Access
  /** Every invocation so far, for tests that look at what arrived. */
  readonly seen: Invocation[] = []

  constructor(init: { catalog: Catalog; access: Access }) {
    this.#catalog = init.catalog
    this.#access = init.access
  }

  async invoke(invocation: Invocation): Promise<Outcome> {
    this.seen.push(invocation)
    let meta: OutcomeMeta = { version: '', node: '', hops: 0, timing: NO_TIMING }
    try {
      const record = await this.#resolve(invocation.target)
      await this.#access.requireInvoke(invocation.caller, record.namespace, record.manifest.settings.access === 'public')
      meta = { version: record.version, node: 'node-1', hops: 0, timing: { route: 0.25, queue: 0, cold: 0, run: 1.5, cpu: 1.25 } }
      return await Promise.race([this.#run(record, invocation, meta), aborted(invocation.signal)])
    } catch (error) {
      return failed(OsirisError.from(error, 'Cannot run the function', 'function_failed'), meta, true)
    }
  }

  /** What would be called, and that the caller may. */
  async admit({ target, caller }: Invocation): Promise<FunctionRecord> {
    const record = await this.#resolve(target)
    await this.#access.requireInvoke(caller, record.namespace, record.manifest.settings.access === 'public')
    return record
  }

  async #resolve(target: Target): Promise<FunctionRecord> {
    if (!isRouteTarget(target)) return this.#catalog.get(target)
    const found = (await this.#catalog.routes()).find((each) => each.route === target.path)
    if (found === undefined) throw new OsirisError('not_found', `Cannot find a route for ${target.method} ${target.host}${target.path}`)
    return this.#catalog.get(found)
  }

  async #run(record: FunctionRecord, { payload }: Invocation, meta: OutcomeMeta): Promise<Outcome> {
    const program = await this.#load(record)
    if (payload.kind === 'fetch')
      return typeof program === 'function' ? valueOf(await program(), meta) : respondWith(program, payload, meta)
    if (payload.kind !== 'call' || typeof program !== 'function') throw new OsirisError('invalid_argument', 'Cannot call a web function')
    return valueOf(await program(...argumentsOf(payload.args)), meta)
  }

  async #load(record: FunctionRecord): Promise<Default> {
    const bytes = await this.#catalog.artifact(record.manifest.artifact.digest, { timeoutMs: 1000 })
    const url = `data:text/javascript;base64,${Buffer.from(bytes).toString('base64')}`
    const module = (await import(/* @vite-ignore */ url)) as { default: Default }
    return module.default
  }
}

function valueOf(result: unknown, meta: OutcomeMeta): Outcome {
  return { kind: 'value', value: Buffer.from(JSON.stringify(result) ?? 'null'), meta }
}

async function respondWith(program: Web, payload: FetchPayload, meta: OutcomeMeta): Promise<Outcome> {
  const { method, headers, url } = payload
  const body = payload.body === undefined ? {} : { body: readable(payload.body), duplex: 'half' as const }
  const response = await program.fetch(new Request(url, { method, headers, ...body }))
  const answered: Outcome = {
    kind: 'response',
    status: response.status,
    headers: [...response.headers].map(([name, value]) => [name, value]),
    meta,
  }
  return response.body === null ? answered : { ...answered, body: response.body }
}

function readable(body: Body): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(streamOf(body))) as ReadableStream<Uint8Array>
}

function argumentsOf(args: Uint8Array): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(args).toString())
    if (Array.isArray(value)) return value
  } catch {
    // the sentence below says it
  }
  throw new OsirisError('invalid_argument', 'Cannot read the arguments: they are not a JSON array')
}
