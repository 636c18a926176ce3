/**
 * `router-keep/1`: an invocation, for the router that keeps its answer; answered by the outcome.
 * `router-copy/1`: what a keeper has another router remember. Head: CBOR by position; the body of an answer travels as the body.
 */
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import { decodeOutcome, encodeOutcome, type WireMessage } from '#protocols/invocation-wire'
import { digestSchema } from '#protocols/manifest'
import type { WholeOutcome } from './answers.ts'
import { keepable } from './request.ts'

export const KEEP_PROTOCOL = 'router-keep/1'
export const COPY_PROTOCOL = 'router-copy/1'

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array)
const REST_MS_MAX = 3_600_000

/** `begin`: it is about to be started. `end`: so it ended (no outcome: too large to keep). `forget`: it was not started. */
const noteSchema = z.object({
  do: z.enum(['begin', 'end', 'forget']),
  id: digestSchema,
  namespace: z.string().max(63),
  digest: digestSchema,
  /** Until the call must have ended. */
  restMs: z.number().min(0).max(REST_MS_MAX),
  outcome: bytes.nullable(),
})
/** `none`: it was not known, and is noted. `full`: it was not known, and there is no room. `running`: there, since before. */
const replySchema = z.object({ state: z.enum(['none', 'full', 'running', 'begun', 'ended', 'conflict']), outcome: bytes.nullable() })

export type Note = Omit<z.infer<typeof noteSchema>, 'outcome'> & { outcome?: WholeOutcome | undefined }
export type Reply = Omit<z.infer<typeof replySchema>, 'outcome'> & { outcome?: WholeOutcome | undefined }

export function encodeNote(note: Note): WireMessage {
  return withOutcome({ ...note, restMs: Math.min(REST_MS_MAX, Math.max(0, note.restMs)) }, note.outcome)
}

/** Throws or rejects with `invalid_argument`. */
export async function decodeNote(message: WireMessage): Promise<Note> {
  const { outcome, ...note } = decodeAs(noteSchema, message.head, 'a note of a call')
  return { ...note, outcome: await outcomeOf(outcome, message) }
}

export function encodeReply(reply: Reply): WireMessage {
  return withOutcome(reply, reply.outcome)
}

/** Throws or rejects with `invalid_argument`. */
export async function decodeReply(message: WireMessage): Promise<Reply> {
  const { state, outcome } = decodeAs(replySchema, message.head, 'the answer to a note of a call')
  return { state, outcome: await outcomeOf(outcome, message) }
}

function withOutcome(value: object, outcome: WholeOutcome | undefined): WireMessage {
  if (outcome === undefined) return { head: encode({ ...value, outcome: null }) }
  const { head, body } = encodeOutcome(outcome)
  const message = { head: encode({ ...value, outcome: head }) }
  return body === undefined ? message : { ...message, body }
}

async function outcomeOf(head: Uint8Array | null, { body }: WireMessage): Promise<WholeOutcome | undefined> {
  if (head === null) return undefined
  const outcome = await decodeOutcome(body === undefined ? { head } : { head, body })
  if (outcome.kind !== 'response') return outcome
  return (await keepable(outcome)).kept
}
