/** What the tests of this room run against: a catalog in memory, and calls made in one line. */
import type { FunctionRecord } from '#protocols/catalog'
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import type { FetchPayload, Invocation, Outcome, PlacedInvocation } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { functionConfigSchema, type FunctionConfig, type Manifest, settingsOf, versionOf } from '#protocols/manifest'
import { collect } from '#protocols/body'
import type { CodeSource } from './executor.ts'
import { ExecutorService } from './service.ts'
import type { ExecutorServiceInit } from './service-init.ts'

export interface Define {
  namespace?: string
  config?: FunctionConfig
  parameters?: string[]
}

/** Functions as a catalog would hold them. */
export class World implements CodeSource {
  readonly #records = new Map<string, FunctionRecord>()
  readonly #artifacts = new Map<string, Uint8Array>()
  #names = 0

  /** Publishes a source; returns its record. */
  define(source: string, options: Define = {}): FunctionRecord {
    const namespace = options.namespace ?? 'demo'
    const name = `f${++this.#names}`
    const bytes = Buffer.from(source)
    const digest = digestOf(bytes)
    const manifest: Manifest = {
      format: 1,
      namespace,
      name,
      artifact: { digest, bytes: bytes.length },
      source: { digest, entry: 'index.js', language: 'javascript' },
      parameters: options.parameters ?? [],
      settings: settingsOf(functionConfigSchema.parse({ access: 'public', ...options.config })),
      tests: [],
      provenance: { node: 'none', tools: [], files: [] },
    }
    const version = versionOf(manifest)
    const record = {
      namespace,
      name,
      version,
      ordinal: 1,
      manifest,
      aliases: {},
      versions: 1,
      publishedAt: 0,
      publishedBy: 'test',
      author: '',
    }
    this.#records.set(version, record)
    this.#artifacts.set(digest, bytes)
    return record
  }

  record(namespace: string, name: string, version: string): FunctionRecord {
    const record = this.#records.get(version)
    if (record?.name === name && record.namespace === namespace) return record
    throw new OsirisError('not_found', `Cannot find "${namespace}/${name}"`)
  }

  artifact(digest: string): Promise<Uint8Array> {
    const bytes = this.#artifacts.get(digest)
    return bytes === undefined
      ? Promise.reject(new OsirisError('unavailable', 'Cannot fetch the artifact: nobody has it'))
      : Promise.resolve(bytes)
  }
}

export function serviceIn(
  world: World,
  options: Partial<
    Pick<
      ExecutorServiceInit,
      | 'events'
      | 'callOut'
      | 'publishOut'
      | 'network'
      | 'capacity'
      | 'spares'
      | 'limits'
      | 'workerEntry'
      | 'egressPrivate'
      | 'doors'
      | 'resolve'
      | 'walls'
      | 'wallsHost'
      | 'codeStore'
      | 'hostCores'
      | 'shareOf'
      | 'traits'
    >
  > = {},
): ExecutorService {
  return new ExecutorService({
    code: world,
    callOut: options.callOut ?? (() => Promise.reject(new OsirisError('unavailable', 'Cannot call out: this is a test'))),
    clock: systemClock,
    random: Math.random,
    events: options.events ?? createEvents(),
    nodeName: 'node-1',
    capacity: options.capacity ?? 200,
    spares: options.spares ?? 1,
    egressPrivate: options.egressPrivate ?? false,
    ...(options.publishOut === undefined ? {} : { publishOut: options.publishOut }),
    ...(options.network === undefined ? {} : { network: options.network }),
    ...(options.doors === undefined ? {} : { doors: options.doors }),
    ...(options.resolve === undefined ? {} : { resolve: options.resolve }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.workerEntry === undefined ? {} : { workerEntry: options.workerEntry }),
    ...(options.walls === undefined ? {} : { walls: options.walls }),
    ...(options.codeStore === undefined ? {} : { codeStore: options.codeStore }),
    ...(options.wallsHost === undefined ? {} : { wallsHost: options.wallsHost }),
    ...(options.traits === undefined ? {} : { traits: options.traits }),
    ...(options.shareOf === undefined ? {} : { shareOf: options.shareOf }),
    ...(options.hostCores === undefined ? {} : { hostCores: options.hostCores }),
  })
}

let ids = 0

export function callOf(record: FunctionRecord, args: unknown[] = [], parts: Partial<Invocation> = {}): PlacedInvocation {
  return {
    id: (++ids).toString(16).padStart(32, '0'),
    target: { namespace: record.namespace, name: record.name },
    version: record.version,
    payload: { kind: 'call', args: Buffer.from(JSON.stringify(args)) },
    caller: { subject: 'test' },
    hops: 0,
    depth: 0,
    deadlineAt: systemClock.monotonic() + 10_000,
    ...parts,
  } as PlacedInvocation
}

export function requestOf(record: FunctionRecord, payload: Partial<FetchPayload> = {}, parts: Partial<Invocation> = {}): PlacedInvocation {
  const full: FetchPayload = { kind: 'fetch', method: 'GET', url: 'http://site.example/', headers: [], ...payload }
  return callOf(record, [], { payload: full, ...parts })
}

/** The value of a call, parsed; throws what the call failed with. */
export function valueOf(outcome: Outcome): unknown {
  if (outcome.kind === 'failed') throw outcome.error
  if (outcome.kind !== 'value') throw new Error('a response came')
  return JSON.parse(Buffer.from(outcome.value).toString('utf8'))
}

export async function responseOf(outcome: Outcome): Promise<{ status: number; headers: Record<string, string>; text: string }> {
  if (outcome.kind === 'failed') throw outcome.error
  if (outcome.kind !== 'response') throw new Error('a value came')
  const bytes = await collect(outcome.body, 64 * 1024 * 1024, 'the response')
  return { status: outcome.status, headers: Object.fromEntries(outcome.headers), text: Buffer.from(bytes).toString('utf8') }
}
