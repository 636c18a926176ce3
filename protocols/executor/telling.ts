/** What the executor tells the rest of its node by events. Nothing is built where nobody listens. */
import type { FunctionRecord } from '#protocols/catalog'
import type { OsirisError } from '#protocols/errors'
import type { EventMap, Events, LogLevel } from '#protocols/events'
import { isLimitName, type LimitName, type Outcome } from '#protocols/invocation'
import type { Call } from './call.ts'

/** A function may go on after it met these, so they are told then, and not with its end. */
const TOLD_WHEN_MET: ReadonlySet<LimitName> = new Set(['logs', 'requests', 'timers'])

export function tellFinished(events: Events, call: Call, outcome: Outcome, wallMs: number): void {
  const { id, target, path } = call.invocation
  const code = outcome.kind === 'failed' ? outcome.error.code : null
  const finished: EventMap['call.finished'] = { id, namespace: target.namespace, name: target.name, meta: outcome.meta, code, wallMs }
  if (outcome.kind === 'response') finished.status = outcome.status
  events.emit('call.finished', path === undefined ? finished : { ...finished, path })
}

export function tellLine(events: Events, record: FunctionRecord, line: { id: string; level: LogLevel; text: string; atMs: number }): void {
  const { namespace, name, version } = record
  events.emit('function.log', { id: line.id, namespace, name, version, level: line.level, text: line.text, atMs: line.atMs })
}

export function tellLimit(events: Events, { namespace, name }: FunctionRecord, error: OsirisError): void {
  const limit = error.details?.['limit']
  if (isLimitName(limit) && !TOLD_WHEN_MET.has(limit)) events.emit('limit.hit', { namespace, name, limit })
}
