/** What a router knows of one item: the head, the same for all its holders, and the claim it granted. Pure. */
import { z } from 'zod'
import { decodeAs, digestOf, encode } from '#protocols/codec'
import type { Peer } from '#protocols/network'
import { sealRecord, unsealRecord } from '#protocols/storage'
import { ABOUT_BYTES_MAX, ANSWER_BYTES_MAX, type ItemDetail, type ItemView, KNOWN_MS, PAYLOAD_BYTES_MAX, type QueueItem } from './queue.ts'

/** This node and two more. */
export const HOLDERS_MAX = 3
/** An id stays known until its item would have expired, so that a router that was away cannot bring it back; but no longer than this. */
const KNOWN_MS_MAX = 24 * 3_600_000

const WORD = /^[A-Za-z0-9._~:@/-]+$/
export const idSchema = z.string().max(256).regex(WORD, 'an id is 1 to 256 of A-Z a-z 0-9 . _ ~ : @ / -')
const keySchema = z
  .string()
  .max(512)
  .regex(/^[^/]+\/[A-Za-z0-9._~:@/-]*$/, 'a key is a namespace, "/", and more')
const kindSchema = z.string().regex(/^[a-z]{1,32}$/, 'a kind is 1 to 32 lower-case letters')
export const stateSchema = z.enum(['waiting', 'dead', 'done', 'cancelled'])
const timeSchema = z.int().min(0).max(8.64e15)
export const countSchema = z.int().min(0)
export const peerSchema = z.string().min(1).max(128)
const errorSchema = z.strictObject({ code: z.string().max(64), message: z.string().max(4096) })
export function bytesSchema(max: number) {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= max, `expected at most ${max} bytes`)
}

export const headSchema = z
  .strictObject({
    id: idSchema,
    key: keySchema,
    kind: kindSchema,
    about: bytesSchema(ABOUT_BYTES_MAX),
    bytes: countSchema.max(PAYLOAD_BYTES_MAX),
    once: z.boolean(),
    addedAt: timeSchema,
    notBeforeAt: timeSchema,
    expiresAt: timeSchema,
    /** From when it was added until it expires; a dead letter that is replayed has as long again. */
    lifeMs: timeSchema,
    /** Fixed when the item was taken in; the first took it. */
    holders: z.array(peerSchema).min(1).max(HOLDERS_MAX),
    /** Who hands it out. */
    owner: peerSchema,
    /** Raised by each owner that takes over; leaves, divided by the number of holders, the owner's place among them, so that two never use the same. */
    epoch: countSchema,
    /** Raised by the owner with every change. */
    rev: countSchema,
    /** Attempts that ended; of an item that may start once only, without a start. */
    ended: countSchema,
    /** Those of them that count against no bound: before it was replayed, or no attempts at all by the handler's word. */
    uncounted: countSchema,
    state: stateSchema,
    error: errorSchema.nullable(),
    endedAt: timeSchema.nullable(),
    /** Until when the id is known, once it is over. */
    forgetAt: timeSchema.nullable(),
    answerBytes: countSchema.max(ANSWER_BYTES_MAX),
  })
  .refine(({ holders, owner, epoch }) => holders.indexOf(owner) === epoch % holders.length, 'the epoch is not one of its owner')
export type Head = z.infer<typeof headSchema>

/** Who was granted which attempt by this holder. */
const claimSchema = z.strictObject({ by: peerSchema, attempt: z.int().min(1) })
export type Claim = z.infer<typeof claimSchema>

const storedSchema = z.strictObject({ head: headSchema, claim: claimSchema.nullable() })
export type Stored = z.infer<typeof storedSchema>

export const ITEM_PREFIX = 'queue/item/'
export function itemKey(id: string): string {
  return ITEM_PREFIX + id
}
export function payloadKey(id: string): string {
  return `queue/payload/${id}`
}
export function answerKey(id: string): string {
  return `queue/answer/${id}`
}

export function seal(stored: Stored): Uint8Array {
  return sealBytes(encode({ head: stored.head, claim: stored.claim }))
}

/** Undefined for what is damaged. */
export function unseal(value: Uint8Array): Stored | undefined {
  const record = unsealRecord(value)
  try {
    return record === undefined ? undefined : decodeAs(storedSchema, record.bytes, 'an item of the queue')
  } catch {
    return undefined
  }
}

/** Never empty: an empty record could not be told from a cut one. */
export function sealBytes(bytes: Uint8Array): Uint8Array {
  return sealRecord(bytes, digestOf(bytes))
}

export function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

/** The error of an item that was taken back before it was accepted. */
export const WITHDRAWN = 'not_committed'

export function isWithdrawn({ state, error }: Pick<ItemView, 'state' | 'error'>): boolean {
  return state === 'cancelled' && error?.code === WITHDRAWN
}

export function isOver({ state }: Pick<Head, 'state'>): boolean {
  return state === 'done' || state === 'cancelled'
}

/** Of two heads of one item, whether the first is what holders come to agree on: what is over stays over; then the later owner's word, then its later word. */
export function isLater(one: Head, other: Head): boolean {
  if (isOver(one) !== isOver(other)) return isOver(one)
  return one.epoch === other.epoch ? one.rev > other.rev : one.epoch > other.epoch
}

/** The next epoch under which the holder at this place owns the item. */
export function nextEpoch({ epoch, holders }: Head, place: number): number {
  const next = epoch - (epoch % holders.length) + place
  return next > epoch ? next : next + holders.length
}

/** Of the holders, who hands the item out as far as `isHere` knows: its owner, else the first that is here. */
export function responsible({ owner, holders }: Head, isHere: (peer: Peer) => boolean): Peer | undefined {
  return isHere(owner) ? owner : holders.find(isHere)
}

export function viewOf({ head, claim }: Stored, running: boolean): ItemView {
  const { id, key, kind, about, addedAt, notBeforeAt, expiresAt, endedAt, error, bytes } = head
  const isClaimed = claim !== null && claim.attempt > head.ended && head.state === 'waiting'
  return {
    ...{ id, key, kind, about, addedAt, notBeforeAt, expiresAt, bytes },
    state: head.state === 'waiting' && (running || isClaimed) ? 'running' : head.state,
    attempts: countedOf(head) + (running || isClaimed ? 1 : 0),
    ...(endedAt === null ? {} : { endedAt }),
    ...(error === null ? {} : { error }),
  }
}

/** With the answer of what is done, or the payload of a dead letter, as far as `bytes` are that. */
export function detailOf(stored: Stored, running: boolean, bytes: Uint8Array | undefined): ItemDetail {
  const { head } = stored
  const view = viewOf(stored, running)
  if (bytes === undefined) return view
  if (head.state === 'dead') return bytes.length === head.bytes ? { ...view, payload: bytes } : view
  return head.answerBytes > 0 && bytes.length === head.answerBytes ? { ...view, answer: bytes } : view
}

/** Attempts that count and have ended. */
export function countedOf({ ended, uncounted }: Head): number {
  return ended - uncounted
}

export function itemOf(head: Head, payload: Uint8Array): QueueItem {
  const { id, key, kind, about, notBeforeAt, expiresAt, addedAt, once } = head
  return { id, key, kind, about, notBeforeAt, expiresAt, addedAt, once, payload, attempts: countedOf(head) + 1 }
}

/** It is over, and known until `keepMs` from now, or until nobody can bring it up again. */
export function overAt(head: Head, state: 'done' | 'cancelled', now: number, { keepMs = KNOWN_MS, answerBytes = 0 } = {}): Head {
  const forgetAt = Math.max(now + keepMs, Math.min(head.expiresAt, now + KNOWN_MS_MAX))
  return { ...head, state, rev: head.rev + 1, endedAt: now, forgetAt, answerBytes }
}
