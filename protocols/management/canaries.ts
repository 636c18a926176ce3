/** Starting and ending canaries, over a catalog wherever it lives. Who moves them once they run: protocols/router/promotion. */
import { type Canary, canaryKey, canaryOf, stepsFrom } from '#protocols/canary'
import type { Catalog, FunctionRecord, Receipt, WriteOptions } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { LIVE } from '#protocols/function'
import { type Clock, hexOf, type Random } from '#protocols/lifecycle'
import { promoted } from '#protocols/promotion'
import type { CanaryPlan, CanaryStatus, CanaryWritten } from './management.ts'

const WATCH_MS = 300_000
const WEIGHT = 10

export interface CanariesInit {
  catalog: Pick<Catalog, 'get' | 'settings' | 'amend' | 'point'>
  clock: Pick<Clock, 'now'>
  random: Random
}

/** Of a function; `null` where there was none, or what is written of it cannot be read. */
export async function canaryFor({ catalog }: Pick<CanariesInit, 'catalog'>, namespace: string, name: string): Promise<Canary | null> {
  const found = (await catalog.settings()).find((each) => each.namespace === namespace && each.key === canaryKey(name))
  return (found && canaryOf(found.value)) ?? null
}

/**
 * Gives a version its first share of an alias's calls, and has it watched. Throws `not_found`, `conflict` (one runs already; no other version has the rest),
 * `invalid_argument`, and what writing throws.
 */
export async function startCanary(
  init: CanariesInit,
  { namespace, name, ...plan }: CanaryPlan & { namespace: string; name: string },
  by: string,
  options: WriteOptions,
): Promise<CanaryWritten> {
  const { catalog, clock, random } = init
  const { alias = LIVE, weight = WEIGHT, watchMs = WATCH_MS } = plan
  const act = `Cannot start a canary of "${namespace}/${name}"`
  const record = await catalog.get({ namespace, name, selector: plan.version })
  const running = await canaryFor(init, namespace, name)
  if (running?.state === 'running')
    throw new OsirisError('conflict', `${act}: one of ${running.version.slice(0, 12)} runs already; end it first (promote --abort)`)
  const base = record.aliases[alias] ?? []
  const targets = promoted(base, record.version, weight)
  const now = clock.now()
  const canary: Canary = {
    ...{ id: hexOf(random, 32), alias, version: record.version, base, steps: stepsFrom(weight), step: 0, watchMs },
    ...{ startedAt: now, since: now, state: 'running', settled: false, why: '', by },
  }
  const set = { type: 'set' as const, namespace, key: canaryKey(name), value: JSON.stringify(canary) }
  await catalog.amend(set, options)
  const { receipt } = await catalog.point(namespace, name, alias, targets, options)
  return { promotion: statusOf(canary), receipt }
}

/** The alias means again what it meant before. Throws `not_found` where none runs, and what writing throws. */
export async function abortCanary(init: CanariesInit, namespace: string, name: string, options: WriteOptions): Promise<CanaryWritten> {
  const { catalog, clock } = init
  const running = await canaryFor(init, namespace, name)
  if (running?.state !== 'running') throw new OsirisError('not_found', `Cannot end the canary of "${namespace}/${name}": none runs`)
  const canary: Canary = { ...running, state: 'aborted', why: 'it was ended by hand', since: clock.now(), settled: false }
  const receipt: Receipt = await catalog.amend({ type: 'set', namespace, key: canaryKey(name), value: JSON.stringify(canary) }, options)
  const pointed = await catalog.point(namespace, name, canary.alias, canary.base, options)
  return { promotion: statusOf(canary), receipt: pointed.changed ? pointed.receipt : receipt }
}

/** As people see it. */
export function statusOf({ alias, version, steps, step, watchMs, startedAt, since, state, why, by }: Canary): CanaryStatus {
  const weight = state === 'running' ? (steps[step] ?? 100) : state === 'done' ? 100 : 0
  return { alias, version, weight, steps, watchMs, startedAt, since, state, why, by }
}

/** Of the function a record is of. */
export async function promotionOf(init: Pick<CanariesInit, 'catalog'>, { namespace, name }: FunctionRecord): Promise<CanaryStatus | null> {
  const canary = await canaryFor(init, namespace, name)
  return canary === null ? null : statusOf(canary)
}
