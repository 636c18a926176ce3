/** The figures themselves. The one address of `@prometheus-io/client`, which takes 30 to 60 ms to load. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { systemClock } from '#protocols/lifecycle'
import { LoopProbe } from './loop-probe.ts'
import type { Finished, Probes } from './metrics.ts'

/** Seconds; from a warm call to the longest timeout. */
const WALL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

export interface InstrumentsInit {
  node: string
  probes: Probes
  workers: { started: number; ended: number }
}

export class Instruments {
  readonly #registry = new Registry()
  readonly #calls: Counter<'code'>
  readonly #wall: Histogram
  readonly #cold: Counter
  readonly #loop = new LoopProbe({ clock: systemClock })

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
    for (const metric of [...workerCounters(init.workers), ...gauges(init.probes, this.#loop)]) this.#registry.registerMetric(metric)
    collectDefaultMetrics({ register: this.#registry })
  }

  finished({ code, wallMs, cold }: Finished): void {
    this.#calls.inc({ code: code ?? 'ok' })
    this.#wall.observe(wallMs / 1000)
    if (cold) this.#cold.inc()
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  stop(): void {
    this.#loop.stop()
    this.#registry.clear()
  }
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
    gauge(
      'osiris_event_loop_held_seconds',
      'Longest time since the last scrape in which this process did not come round to its events, waiting for a processor not counted',
      () => loop.take() / 1000,
    ),
    gauge('osiris_ledger_entries', 'Ledger entries this node knows', () => probes.ledgerEntries()),
  ]
}
