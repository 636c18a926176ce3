/** What is in the queue's payload, note and answer of a call. Read back from this universe's disks, and judged all the same. */
import { z } from 'zod'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { failed, type FailedOutcome, type Invocation, type Outcome } from '#protocols/invocation'
import { decodeInvocation, decodeOutcome, encodeInvocation, encodeOutcome, type WireMessage } from '#protocols/invocation-wire'
import type { Clock } from '#protocols/lifecycle'
import { TIMEOUT_MS_MAX } from '#protocols/manifest'
import type { ItemDetail, ItemView } from '../queue/queue.ts'
import { CALL_BYTES_MAX, type CallState, type CallStatus, RESULT_BYTES_MAX } from './calls.ts'

export const CALL_KIND = 'call'

const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const wireSchema = z.strictObject({ head: bytesSchema, body: bytesSchema.nullable() })
const payloadSchema = z.strictObject({ invocation: wireSchema, callback: z.strictObject({ url: z.string(), key: z.string() }).nullable() })
const answerSchema = z.strictObject({ outcome: wireSchema, cancelled: z.boolean() })
/** `open`: whoever knows the id may ask. */
const aboutSchema = z.strictObject({ open: z.boolean() })

export interface Callback {
  url: string
  /** Signs what is told, 64 hex characters. */
  key: string
}

export function itemIdOf(id: string): string {
  return `call/${id}`
}

/** The call that an item is. */
export function callIdOf({ id }: Pick<ItemView, 'id'>): string {
  return id.slice(itemIdOf('').length)
}

export function aboutOf(open: boolean): Uint8Array {
  return encode({ open })
}

export function isOpen(about: Uint8Array): boolean {
  return decodeAs(aboutSchema, about, 'a call').open
}

/** Throws `payload_too_large`. */
export async function payloadOf(invocation: Invocation, callback: Callback | undefined, now: number): Promise<Uint8Array> {
  const wire = await wholeOf(encodeInvocation(invocation, now), CALL_BYTES_MAX, 'the call')
  const payload = encode({ invocation: wire, callback: callback === undefined ? null : { ...callback } })
  if (payload.length <= CALL_BYTES_MAX) return payload
  throw new OsirisError('payload_too_large', `Cannot take the call: it has ${payload.length} bytes (at most ${CALL_BYTES_MAX})`)
}

export async function callOf(
  payload: Uint8Array,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ invocation: Invocation; callback: Callback | undefined }> {
  const { invocation: wire, callback } = decodeAs(payloadSchema, payload, 'a call')
  const now = clock.monotonic()
  const invocation = await decodeInvocation(messageOf(wire), { now, signal })
  return { invocation: { ...invocation, hops: 0, deadlineAt: now + TIMEOUT_MS_MAX }, callback: callback ?? undefined }
}

/** With the whole of a response; one that is too long, or breaks off, is a failure. */
export async function answerOf(outcome: Outcome, cancelled: boolean): Promise<{ outcome: Outcome; answer: Uint8Array }> {
  const kept = await held(outcome)
  const wire = await wholeOf(encodeOutcome(kept), RESULT_BYTES_MAX, 'the result')
  return { outcome: kept, answer: encode({ outcome: wire, cancelled }) }
}

async function held(outcome: Outcome): Promise<Outcome> {
  if (outcome.kind === 'failed') return outcome
  try {
    if (outcome.kind === 'response') return { ...outcome, body: await collect(outcome.body, RESULT_BYTES_MAX, 'the response') }
    if (outcome.value.length <= RESULT_BYTES_MAX) return outcome
    return tooLong(outcome)
  } catch (thrown) {
    const error = OsirisError.from(thrown, 'Cannot keep the response')
    return error.code === 'payload_too_large' ? tooLong(outcome) : failed(error, outcome.meta, true)
  }
}

function tooLong({ meta }: Outcome): FailedOutcome {
  return failed(
    new OsirisError('result_too_large', `Cannot keep the result of the call: it is longer than ${RESULT_BYTES_MAX} bytes`),
    meta,
    true,
  )
}

async function wholeOf({ head, body }: WireMessage, bytesMax: number, what: string) {
  return { head, body: body === undefined ? null : await collect(body, bytesMax, what) }
}

function messageOf({ head, body }: z.infer<typeof wireSchema>): WireMessage {
  return body === null ? { head } : { head, body }
}

/** What can be said of the call; with what came of it where that is here. */
export async function statusOf(view: ItemView | ItemDetail): Promise<CallStatus> {
  const status: CallStatus = {
    id: callIdOf(view),
    function: view.key,
    state: STATES[view.state],
    attempts: view.attempts,
    createdAt: view.addedAt,
    expiresAt: view.expiresAt,
    endedAt: view.endedAt ?? null,
  }
  if (view.error !== undefined) status.error = OsirisError.fromShape(view.error as NonNullable<CallStatus['error']>).toShape()
  const answer = 'answer' in view ? view.answer : undefined
  if (answer === undefined) return status
  const { outcome, cancelled } = decodeAs(answerSchema, answer, 'what came of a call')
  return withOutcome({ ...status, state: cancelled ? 'cancelled' : 'done' }, await decodeOutcome(messageOf(outcome)))
}

const STATES: Record<ItemView['state'], CallState> = {
  waiting: 'queued',
  running: 'running',
  done: 'done',
  cancelled: 'cancelled',
  dead: 'done',
}

export async function withOutcome(status: CallStatus, outcome: Outcome): Promise<CallStatus> {
  const { error: _, ...rest } = status
  const { version, node } = outcome.meta
  const ran: CallStatus = { ...rest, ...(version === '' ? {} : { version }), ...(node === '' ? {} : { node }) }
  if (outcome.kind === 'failed') return { ...ran, error: outcome.error.toShape() }
  if (outcome.kind === 'value') return { ...ran, value: Buffer.from(outcome.value).toString() }
  const body = Buffer.from(await collect(outcome.body, RESULT_BYTES_MAX, 'the response')).toString('base64')
  return { ...ran, response: { status: outcome.status, headers: outcome.headers, body } }
}

/** As HTTP and callbacks carry it: the value as the function made it, to the last digit. */
export function textOf({ value, ...rest }: CallStatus): string {
  const text = JSON.stringify(rest)
  return value === undefined ? text : `${text.slice(0, -1)},"value":${value}}`
}
