/** Figures for Prometheus. What happens is counted here as it happens; the client library is loaded with the first scrape. */
import type { EventMap, Events } from '#protocols/events'
import type { ColdParts, LimitName } from '#protocols/invocation'
import type { MaybePromise } from '#protocols/lifecycle'
import type { QuotaFigures } from '#protocols/router'
import type { Instruments } from './instruments.ts'

/** What is looked up when somebody asks, rather than counted. */
export interface Probes {
  inFlight(): number
  members(): number
  /** Instances ready here; and of the versions this node decides about: instances wanted and ready on all nodes together, and how many are in panic. */
  instances(): number
  scaling(): { wanted: number; ready: number; panics: number }
  /** Of calls placed here under quotas; by namespace, of which there are at most a hundred and one. */
  quotas(): readonly QuotaFigures[]
  ledgerEntries(): MaybePromise<number>
  /** Entries refused at the ledger's door since the start, by reason. */
  ledgerRefusals(): Readonly<Record<string, number>>
  /** Nodes that asked to be let in and were not, since the start, by reason. */
  joinRefusals(): Readonly<Record<string, number>>
}

export interface MetricsInit {
  events: Events
  probes: Probes
  /** A label of every figure. */
  node: string
}

export type Finished = Pick<EventMap['call.finished'], 'code' | 'wallMs' | 'namespace'> & {
  cpuMs: number
  cold: boolean
  coldParts: ColdParts | undefined
  peakMemoryBytes: number | undefined
}

/** What functions fetched, by error code (`ok` where there was none), and its bytes on the wire. */
export interface EgressCounts {
  requests: Map<string, number>
  bytes: { in: number; out: number }
}

/** Calls remembered until the first scrape; then the client library is loaded to take them in. */
const PENDING_MAX = 8_192

/**
 * Labels are bounded: error codes and limits are fixed lists, namespaces are the first hundred seen; neither functions nor callers are labels,
 * because their number is not in our hands.
 */
export class Metrics {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8'
  readonly #init: MetricsInit
  readonly #stops: (() => void)[]
  readonly #workers = { started: 0, ended: 0 }
  readonly #logs = { dropped: 0 }
  readonly #limits = new Map<LimitName, number>()
  readonly #egress: EgressCounts = { requests: new Map(), bytes: { in: 0, out: 0 } }
  #pending: Finished[] = []
  #instruments: Instruments | undefined
  #loading: Promise<Instruments> | undefined

  constructor(init: MetricsInit) {
    this.#init = init
    const { events } = init
    this.#stops = [
      events.on('call.finished', ({ code, wallMs, namespace, meta: { timing, peakMemoryBytes } }) => {
        const { cold, cpu, coldParts } = timing
        this.#finished({ code, wallMs, namespace, cpuMs: cpu, cold: cold > 0, coldParts, peakMemoryBytes })
      }),
      events.on('limit.hit', ({ limit }) => void this.#limits.set(limit, (this.#limits.get(limit) ?? 0) + 1)),
      events.on('function.egress', ({ code, bytesIn, bytesOut }) => {
        const { requests, bytes } = this.#egress
        requests.set(code ?? 'ok', (requests.get(code ?? 'ok') ?? 0) + 1)
        bytes.in += bytesIn
        bytes.out += bytesOut
      }),
      events.on('log.dropped', ({ lines }) => void (this.#logs.dropped += lines)),
      events.on('worker.started', () => void this.#workers.started++),
      events.on('worker.ended', () => void this.#workers.ended++),
    ]
  }

  /** The text of one scrape. */
  async text(): Promise<string> {
    const instruments = await this.#load()
    return instruments.text()
  }

  /** Stops listening. Idempotent. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#instruments?.stop()
  }

  #finished(call: Finished): void {
    if (this.#instruments !== undefined) return this.#instruments.finished(call)
    this.#pending.push(call)
    if (this.#pending.length === PENDING_MAX) void this.#load()
  }

  #load(): Promise<Instruments> {
    this.#loading ??= import('./instruments.ts').then(({ Instruments }) => {
      const { node, probes } = this.#init
      const instruments = new Instruments({
        node,
        probes,
        workers: this.#workers,
        logs: this.#logs,
        limits: this.#limits,
        egress: this.#egress,
      })
      for (const call of this.#pending) instruments.finished(call)
      this.#pending = []
      this.#instruments = instruments
      return instruments
    })
    return this.#loading
  }
}
