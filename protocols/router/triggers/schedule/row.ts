/** What routers know of one schedule besides the function itself: how far it has come. Each keeps all of them, on its disk as well. */
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import { nameSchema, TIMEOUT_MS_MAX } from '#protocols/manifest'
import { LATE_MS } from './due.ts'
import { MARGIN_MS } from './fire.ts'

/** Until the end of the longest call, as a clock sees it that is as far behind as is believed. */
const RUN_MS_MAX = TIMEOUT_MS_MAX + MARGIN_MS + LATE_MS

const timeSchema = z.number().min(0).max(8.64e15)
export const lineSchema = z.string().max(512)
const peerSchema = z.string().max(256)

export const firedSchema = z.strictObject({
  tickAt: timeSchema,
  /** The router that fired it, by name. */
  by: z.string().max(256),
  /** Until then its call may run, unless it is known to have ended. */
  untilMs: timeSchema,
  /** `null` while it runs. */
  end: z
    .strictObject({
      atMs: timeSchema,
      /** The error's code; `null` for a success. */
      code: z.string().max(64).nullable(),
      message: z.string().max(1024),
    })
    .nullable(),
})
/** The last tick that was fired. */
export type Fired = z.infer<typeof firedSchema>

export const rowSchema = z.strictObject({
  namespace: nameSchema,
  name: nameSchema,
  /** The cron line and time zone it is about: with another one a schedule begins anew. */
  line: lineSchema,
  /** When the first router saw it: no tick before that is due. */
  since: timeSchema,
  /** The last tick that was fired or passed over; 0 where none was. */
  lastAt: timeSchema,
  fired: firedSchema.nullable(),
})
export type Row = z.infer<typeof rowSchema>

/** What a router granted: to one claimant at a time (`''`: it let go), and never a tick before one it granted. */
export const grantSchema = z.strictObject({ tickAt: timeSchema, to: peerSchema, round: timeSchema })
export type Grant = z.infer<typeof grantSchema>

/** `ahead`: the same of ticks far ahead of the clock here. Whose clock is wrong nobody knows, and neither kind is in the other's way. */
export const keptSchema = z.strictObject({ row: rowSchema, grant: grantSchema.nullable(), ahead: grantSchema.nullable() })
export type Kept = z.infer<typeof keptSchema>

export function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`
}

/** Ticks after this one may be due. */
export function doneUntil({ since, lastAt }: Row): number {
  return Math.max(since, lastAt)
}

/** Whether the call of the last tick may still run. */
export function mayRun({ fired }: Row, now: number): boolean {
  return fired !== null && fired.end === null && now < fired.untilMs
}

function isAhead(at: number, now: number): boolean {
  return at > now + LATE_MS
}

/** Whether it was written by a clock far ahead of the one here, and would stop the schedule until that time comes. */
export function isRowAhead({ since, lastAt, fired }: Row, now: number): boolean {
  return isAhead(Math.max(since, lastAt, fired?.tickAt ?? 0), now) || (fired?.untilMs ?? 0) > now + RUN_MS_MAX
}

/** The same as of now. What was noted while the clock here was far ahead is no more true: the schedule goes on from now. */
export function asOf(kept: Kept, now: number): Kept {
  const { row, grant, ahead } = kept
  const isWrong = isRowAhead(row, now)
  if (!isWrong && (grant === null || !isAhead(grant.tickAt, now)) && (ahead === null || isAhead(ahead.tickAt, now))) return kept
  const grants = [grant, ahead].filter((each) => each !== null)
  const latest = (isOf: (each: Grant) => boolean) => grants.filter(isOf).toSorted((a, b) => b.tickAt - a.tickAt)[0] ?? null
  return {
    row: isWrong ? { ...row, since: Math.min(row.since, now), lastAt: Math.min(row.lastAt, now), fired: null } : row,
    grant: latest((each) => !isAhead(each.tickAt, now)),
    ahead: latest((each) => isAhead(each.tickAt, now)),
  }
}

/** What is kept when the tick is granted; undefined: it is not, because somebody fired or claimed it, or one after it. */
export function granted(kept: Kept, asked: Grant, now: number): Kept | undefined {
  const { row, grant, ahead } = asOf(kept, now)
  if (asked.tickAt <= row.lastAt) return undefined
  if (isAhead(asked.tickAt, now)) return mayGrant(ahead, asked) ? { row, grant, ahead: asked } : undefined
  return mayGrant(grant, asked) ? { row, grant: asked, ahead } : undefined
}

/** Both of one schedule: what either knows. The same in whatever order rows are merged. */
export function mergeRows(a: Row, b: Row): Row {
  return { ...a, since: Math.min(a.since, b.since), lastAt: Math.max(a.lastAt, b.lastAt), fired: laterOf(a.fired, b.fired) }
}

function laterOf(a: Fired | null, b: Fired | null): Fired | null {
  if (a === null || b === null) return a ?? b
  if (a.tickAt !== b.tickAt) return a.tickAt > b.tickAt ? a : b
  if ((a.end === null) !== (b.end === null)) return a.end === null ? b : a
  // Two owners fired one tick: any of the two, and the same one everywhere.
  return Buffer.compare(encode(a), encode(b)) >= 0 ? a : b
}

export function sameRow(a: Row, b: Row): boolean {
  return a === b || Buffer.compare(encode(a), encode(b)) === 0
}

export function encodeKept(kept: Kept): Uint8Array {
  return encode(kept)
}

/** Undefined for what is damaged: the schedule begins anew. */
export function decodeKept(bytes: Uint8Array): Kept | undefined {
  try {
    return decodeAs(keptSchema, bytes, 'a schedule')
  } catch {
    return undefined
  }
}

/**
 * Whether a router may grant a tick, having granted `known`: one claimant at a time, ticks in order. A claimant asks again under a later round, and what it
 * lets go of is granted to whoever asks next.
 */
export function mayGrant(known: Grant | null, asked: Grant): boolean {
  if (known === null || asked.tickAt > known.tickAt) return true
  if (asked.tickAt < known.tickAt) return false
  return known.to === '' || (known.to === asked.to && asked.round >= known.round)
}

/** What is left after a claimant let go: of a round after that one, all. */
export function releasedFrom(known: Grant | null, gone: Grant): Grant | null {
  const isIts = known !== null && known.to === gone.to && known.tickAt === gone.tickAt && known.round <= gone.round
  return isIts ? { tickAt: known.tickAt, to: '', round: 0 } : known
}
