/** The figures themselves. The one address of `@prometheus-io/client`, which takes 30 to 60 ms to load. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { LIMITS, type LimitName } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { LoopProbe } from './loop-probe.ts'
import type { EgressCounts, Finished, Probes } from './metrics.ts'

/** Seconds; from a warm call to the longest timeout. */
const WALL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

/** Seconds; from a start out of everything at hand to an artifact that had to travel. */
const COLD_BUCKETS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10]
/** Bytes; from an instance with nothing in it to the largest limit. */
const MEMORY_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((megabytes) => megabytes * 1024 * 1024)
/** Namespaces with a figure of their own; whoever comes later is one of the others, so that a scrape stays bounded. */
const NAMESPACES_MAX = 100
const OTHERS = '(others)'

export interface InstrumentsInit {
  node: string
  probes: Probes
  workers: { started: number; ended: number }
  logs: { dropped: number }
  limits: ReadonlyMap<LimitName, number>
  egress: EgressCounts
}

export class Instruments {
  readonly #registry = new Registry()
  readonly #calls: Counter<'code'>
  readonly #wall: Histogram
  readonly #cold: Counter
  readonly #loop = new LoopProbe({ clock: systemClock })
  readonly #cpu: Counter<'namespace'>
  readonly #coldParts: Histogram<'part'>
  readonly #memory: Histogram
  readonly #namespaces = new Set<string>()

  constructor(init: InstrumentsInit) {
    const registers = [this.#registry]
    this.#registry.setDefaultLabels({ node: init.node })
    this.#calls = new Counter({
      name: 'osiris_calls_total',
      help: 'Calls that ended on this node as executor, by error code; "ok" where there was none',
      labelNames: ['code'],
      registers,
    })
    this.#wall = new Histogram({
      name: 'osiris_call_duration_seconds',
      help: 'Wall time of calls on this node as executor',
      buckets: WALL_BUCKETS,
      registers,
    })
    this.#cold = new Counter({ name: 'osiris_cold_starts_total', help: 'Calls that had to make an instance first', registers })
    this.#cpu = new Counter({
      name: 'osiris_cpu_seconds_total',
      help: `Processor time of calls on this node as executor, by namespace (the first ${NAMESPACES_MAX} seen)`,
      labelNames: ['namespace'],
      registers,
    })
    this.#coldParts = new Histogram({
      name: 'osiris_cold_start_seconds',
      help: 'What cold starts consisted of: artifact, isolate, compile, first',
      labelNames: ['part'],
      buckets: COLD_BUCKETS,
      registers,
    })
    this.#memory = new Histogram({
      name: 'osiris_instance_memory_peak_bytes',
      help: 'The most memory seen in use by the instance, of every call that ended',
      buckets: MEMORY_BUCKETS,
      registers,
    })
    const others = [
      ...workerCounters(init.workers),
      limitHits(init.limits),
      ...egressCounters(init.egress),
      droppedLines(init.logs),
      ...refusals(init.probes),
      ...quotaFigures(init.probes),
      ...gauges(init.probes, this.#loop),
    ]
    for (const metric of others) this.#registry.registerMetric(metric)
    collectDefaultMetrics({ register: this.#registry })
  }

  finished({ code, wallMs, namespace, cpuMs, cold, coldParts, peakMemoryBytes }: Finished): void {
    this.#calls.inc({ code: code ?? 'ok' })
    this.#wall.observe(wallMs / 1000)
    if (cpuMs > 0) this.#cpu.inc({ namespace: this.#labelFor(namespace) }, cpuMs / 1000)
    if (peakMemoryBytes !== undefined) this.#memory.observe(peakMemoryBytes)
    if (cold) this.#cold.inc()
    if (coldParts === undefined) return
    for (const part of PARTS) this.#coldParts.observe({ part }, coldParts[part] / 1000)
  }

  #labelFor(namespace: string): string {
    if (!this.#namespaces.has(namespace)) {
      if (this.#namespaces.size >= NAMESPACES_MAX) return OTHERS
      this.#namespaces.add(namespace)
    }
    return namespace
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  stop(): void {
    this.#loop.stop()
    this.#registry.clear()
  }
}

const PARTS = ['artifact', 'isolate', 'compile', 'first'] as const

/** Counted outside, each from 0 on, so that a limit nobody met is there to be looked at. */
function limitHits(limits: ReadonlyMap<LimitName, number>): Counter<'limit'> {
  return new Counter({
    name: 'osiris_limit_hits_total',
    help: 'Calls that met a limit, by limit',
    labelNames: ['limit'],
    registers: [],
    collect() {
      this.reset()
      for (const limit of LIMITS) this.inc({ limit }, limits.get(limit) ?? 0)
    },
  })
}

function egressCounters({ requests, bytes }: EgressCounts): Counter[] {
  return [
    new Counter({
      name: 'osiris_egress_requests_total',
      help: 'Requests that functions fetched, hops of redirects each for itself, by error code; "ok" where there was none',
      labelNames: ['code'],
      registers: [],
      collect() {
        this.reset()
        for (const [code, count] of requests) this.inc({ code }, count)
      },
    }),
    new Counter({
      name: 'osiris_egress_bytes_total',
      help: 'Bytes of their bodies as they are on the wire',
      labelNames: ['direction'],
      registers: [],
      collect() {
        this.reset()
        for (const direction of ['in', 'out'] as const) this.inc({ direction }, bytes[direction])
      },
    }),
  ]
}

function droppedLines(logs: InstrumentsInit['logs']): Counter {
  return new Counter({
    name: 'osiris_log_lines_dropped_total',
    help: 'Lines of functions that were not written to the log, because their namespace writes too many',
    registers: [],
    collect() {
      this.reset()
      this.inc(logs.dropped)
    },
  })
}

/** Counted before this file was loaded: each scrape takes over the difference. */
function workerCounters(workers: InstrumentsInit['workers']): Counter[] {
  return (['started', 'ended'] as const).map((each) => {
    let told = 0
    return new Counter({
      name: `osiris_workers_${each}_total`,
      help: each === 'started' ? 'Worker processes that began to serve a namespace' : 'Worker processes that ended, for whatever reason',
      registers: [],
      collect() {
        this.inc(workers[each] - told)
        told = workers[each]
      },
    })
  })
}

/** Reasons are fixed lists (`RefusalReason`, `JoinFault`), so the label is bounded. */
function refusals(probes: Probes): Counter<'reason'>[] {
  const counter = (name: string, help: string, read: () => Readonly<Record<string, number>>): Counter<'reason'> =>
    new Counter({
      name,
      help,
      labelNames: ['reason'],
      registers: [],
      collect() {
        this.reset()
        for (const [reason, count] of Object.entries(read())) this.inc({ reason }, count)
      },
    })
  return [
    counter('osiris_ledger_refusals_total', "Entries refused at this node's door of the ledger, by reason", () => probes.ledgerRefusals()),
    counter('osiris_join_refusals_total', 'Nodes that asked this one to be let in and were not, by reason', () => probes.joinRefusals()),
  ]
}

/** The namespaces among them are bounded where they are counted. */
function quotaFigures(probes: Probes): (Counter<string> | Gauge<string>)[] {
  return [
    new Counter({
      name: 'osiris_quota_calls_total',
      help: `Calls placed by this node in namespaces with a quota: let in, or refused by it (the first hundred namespaces by name)`,
      labelNames: ['namespace', 'result'],
      registers: [],
      collect() {
        this.reset()
        for (const { namespace, admitted, refused } of probes.quotas()) {
          this.inc({ namespace, result: 'admitted' }, admitted)
          this.inc({ namespace, result: 'refused' }, refused)
        }
      },
    }),
    new Counter({
      name: 'osiris_quota_cpu_seconds_total',
      help: 'Processor time of calls placed by this node in namespaces with a quota',
      labelNames: ['namespace'],
      registers: [],
      collect() {
        this.reset()
        for (const { namespace, cpuMs } of probes.quotas()) this.inc({ namespace }, cpuMs / 1000)
      },
    }),
    new Gauge({
      name: 'osiris_quota_used_ratio',
      help: 'How much of the part of a quota that this node gives out is used, from 0 to 1, by limit',
      labelNames: ['namespace', 'limit'],
      registers: [],
      collect() {
        this.reset()
        for (const { namespace, used } of probes.quotas())
          for (const [limit, ratio] of Object.entries(used)) this.set({ namespace, limit }, ratio)
      },
    }),
  ]
}

function gauges(probes: Probes, loop: LoopProbe): Gauge[] {
  const gauge = (name: string, help: string, read: () => number | Promise<number>): Gauge =>
    new Gauge({
      name,
      help,
      registers: [],
      async collect() {
        this.set(await read())
      },
    })
  return [
    gauge('osiris_calls_in_flight', 'Calls running or queued on this node', () => probes.inFlight()),
    gauge('osiris_members', 'Other nodes this one knows', () => probes.members()),
    gauge('osiris_instances', 'Instances of functions that are ready on this node', () => probes.instances()),
    gauge(
      'osiris_scale_instances_wanted',
      'Instances that this node wants on all nodes together, of the functions it decides about; the sum over all nodes is that of the universe',
      () => probes.scaling().wanted,
    ),
    gauge(
      'osiris_scale_instances_ready',
      'Instances that are ready on all nodes together, of the functions this node decides about',
      () => probes.scaling().ready,
    ),
    gauge('osiris_scale_panics', 'Versions in panic, of the functions this node decides about', () => probes.scaling().panics),
    gauge(
      'osiris_event_loop_held_seconds',
      'Longest time since the last scrape in which this process did not come round to its events, waiting for a processor not counted',
      () => loop.take() / 1000,
    ),
    gauge('osiris_ledger_entries', 'Ledger entries this node knows', () => probes.ledgerEntries()),
  ]
}
