/** An executor's side: once a second, what it has and what that is used for, to whoever decides about it; and what they want in return. */
import type { Executor, InstanceCount } from '#protocols/executor'
import type { Clock } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'
import { type Order, type Row, ROWS_MAX } from './messages.ts'

export interface ReporterInit {
  clock: Clock
  executor: Pick<Executor, 'instances' | 'scale'>
  ownerOf: (namespace: string, name: string) => Peer | undefined
  /** Tells a decider, this node's own included. Rejects when it cannot be reached. */
  tell: (owner: Peer, rows: readonly Row[]) => Promise<readonly Order[]>
}

/** What an order is good for: a decider that is gone is noticed within five seconds, and another one takes a few to know what there is. */
export const LAPSE_MS = 15_000
/** Versions that nobody calls are told so rarely: a node may have a thousand of them. */
const QUIET_ROUNDS = 10
/** Called within this: told in every round. */
const QUIET_MS = 2000

export class Reporter {
  readonly #init: ReporterInit
  /** What each version had come to in the round before. */
  #before = new Map<string, number>()
  #beforeMs = 0
  #round = 0

  constructor(init: ReporterInit) {
    this.#init = init
  }

  /** One round. Never rejects: a decider that does not hear this hears the next. */
  async round(): Promise<void> {
    const { ownerOf, tell } = this.#init
    const reports = new Map<Peer, Row[]>()
    for (const row of this.#rows()) {
      const owner = ownerOf(row.namespace, row.name)
      if (owner === undefined) continue
      const rows = reports.get(owner) ?? []
      rows.push(row)
      reports.set(owner, rows)
    }
    const told = [...reports].map(async ([owner, rows]) => this.#follow(rows, await tell(owner, rows).catch(() => [])))
    await Promise.all(told)
  }

  /** Orders for what was told, and for nothing else. */
  async #follow(rows: readonly Row[], orders: readonly Order[]): Promise<void> {
    const told = new Map(rows.map((row) => [row.version, row]))
    for (const { version, instances } of orders) {
      const row = told.get(version)
      if (row === undefined) continue
      const { namespace, name } = row
      // What cannot be kept shows in the next report.
      await this.#init.executor.scale({ namespace, name, version, instances, lapseMs: LAPSE_MS }).catch(() => {})
    }
  }

  #rows(): Row[] {
    const now = this.#init.clock.monotonic()
    const overMs = Math.max(1, now - this.#beforeMs)
    const before = this.#before
    this.#before = new Map()
    this.#beforeMs = now
    this.#round++
    const rows = this.#init.executor.instances().flatMap((count) => {
      this.#before.set(count.version, count.callMs)
      const concurrency = Math.max(0, count.callMs - (before.get(count.version) ?? 0)) / overMs
      return this.#isDue(count) || concurrency > 0 ? [rowOf(count, concurrency)] : []
    })
    return rows.toSorted((a, b) => b.concurrency - a.concurrency || a.quietMs - b.quietMs).slice(0, ROWS_MAX)
  }

  /** The rare ones by turns, so that no round is full of them. */
  #isDue({ version, kept, ready, quietMs }: InstanceCount): boolean {
    if (quietMs < QUIET_MS || kept > 0 || ready > 1) return true
    return ready > 0 && Number.parseInt(version.slice(0, 4), 16) % QUIET_ROUNDS === this.#round % QUIET_ROUNDS
  }
}

function rowOf({ namespace, name, version, ready, starting, kept, quietMs }: InstanceCount, concurrency: number): Row {
  return { namespace, name, version, ready, starting, kept, concurrency, quietMs: Math.max(0, quietMs) }
}
