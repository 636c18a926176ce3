/** Which tick of a schedule is fired now, if any. Pure. */
import type { FunctionSettings } from '#protocols/manifest'
import type { Ticks } from '#protocols/schedule'

export type ScheduleSettings = NonNullable<FunctionSettings['schedule']>

/** So late a tick is fired whatever its policy: members that are told of a death act after five seconds, and an executor may be full for a while. */
export const LATE_MS = 60_000
/** Ticks made up for at most, where all that were missed are. */
export const MISSED_MAX = 100

export interface DueInit {
  ticks: Ticks
  settings: Pick<ScheduleSettings, 'missed' | 'overlap'>
  /** The last tick that was fired or passed over; wall clock, as all here. */
  lastAt: number
  now: number
  /** The call of an earlier tick may not be over. */
  isRunning: boolean
}

/** `pass`: this tick, and those before it, are passed over. `wait`: there is one to fire, when the call of an earlier one is over. */
export type Due = { kind: 'fire'; tickAt: number } | { kind: 'pass'; tickAt: number } | { kind: 'wait' } | { kind: 'none' }

/**
 * skip: the last tick, while it is not late and nothing runs. last: the last one, however late. all: each of the last hundred, the oldest first. Ticks at
 * which a call of the same schedule runs are as if nobody could fire them.
 */
export function dueOf({ ticks, settings, lastAt, now, isRunning }: DueInit): Due {
  const { missed, overlap } = settings
  const [tickAt] = ticks.between(lastAt, now, missed === 'all' ? MISSED_MAX : 1)
  if (tickAt === undefined) return { kind: 'none' }
  const isHeld = isRunning && !overlap
  if (missed === 'skip') return { kind: isHeld || now - tickAt > LATE_MS ? 'pass' : 'fire', tickAt }
  return isHeld ? { kind: 'wait' } : { kind: 'fire', tickAt }
}

/** The id of a tick, the same whoever fires it. */
export function tickIdOf(key: string, tickAt: number): string {
  return `${key}@${new Date(tickAt).toISOString()}`
}
