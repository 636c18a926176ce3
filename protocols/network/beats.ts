/** A beat on the wire: signed by its node, so that any member can hand it on and nobody can make one up. */
import { z } from 'zod'
import { type Identity, publicKeyOf, verifySignature } from '#protocols/access'
import { dropOldest } from '#protocols/bounded'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { NAME_PATTERN } from '#protocols/function'
import { ROLES, type Role } from '#protocols/lifecycle'
import { labelsSchema, regionSchema } from '#protocols/traits'
import { BEAT_BYTES_MAX, MEMBERS_MAX } from './limits.ts'
import type { Beat, Peer } from './network.ts'
import { identityOf } from './peer.ts'

const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text)
const count = z
  .number()
  .int()
  .min(0)
  .max(2 ** 40)

const beatSchema = z.object({
  name: z.string().regex(NAME_PATTERN),
  // Roles of newer nodes are unknown here and left out.
  roles: z
    .array(z.string().max(32))
    .max(16)
    .transform((roles) => roles.filter(isRole)),
  addresses: z.array(z.string().max(256)).max(16),
  http: z.string().max(256).optional(),
  labels: labelsSchema.optional(),
  region: regionSchema.optional(),
  capacity: count,
  inFlight: count,
  warm: z.array(z.string().regex(/^[0-9a-f]{16}$/)).max(128),
  functions: count,
  protocol: z.object({ min: count, max: count }),
})

const signedSchema = z.object({
  beat: beatSchema,
  /** Milliseconds since the epoch at the sender, raised where needed so that it grows with each beat: the newest wins. */
  at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  /** The node says goodbye. */
  left: z.boolean(),
  /** Whose: nothing signed in one universe means anything in another. */
  universe: z.string().max(64),
})

const bytesSchema: z.ZodType<Uint8Array> = z.instanceof(Uint8Array)
export const envelopeSchema = z.object({ body: bytesSchema, signature: bytesSchema })
export type Envelope = z.infer<typeof envelopeSchema>

export interface HeardBeat {
  beat: Beat
  at: number
  left: boolean
  /** As signed, to be handed on. */
  envelope: Envelope
}

const CONTEXT = Buffer.from('osiris/beat/1\n')

export function signBeat(identity: Identity, universe: string, beat: Beat, at: number, left: boolean): HeardBeat {
  const body = encode({ beat, at, left, universe })
  if (body.length > BEAT_BYTES_MAX)
    throw new OsirisError('invalid_argument', `Cannot tell the mesh about this node: its beat is ${body.length} bytes long`)
  return { beat, at, left, envelope: { body, signature: identity.sign(Buffer.concat([CONTEXT, body])) } }
}

export function packBeat({ envelope }: HeardBeat): Uint8Array {
  return encode(envelope)
}

/** Throws `invalid_argument` for anything that is no beat of this universe. Does not judge the signature. */
export function readBeat(envelope: Envelope, universe: string): HeardBeat {
  if (envelope.body.length > BEAT_BYTES_MAX) throw new OsirisError('invalid_argument', 'Cannot read a beat: it is too long')
  const { beat, at, left, universe: of } = decodeAs(signedSchema, envelope.body, 'a beat')
  if (of !== universe) throw new OsirisError('invalid_argument', 'Cannot read a beat: it is of another universe')
  const { http, labels, region, ...rest } = beat
  const said = {
    ...(http === undefined ? {} : { http }),
    ...(labels === undefined ? {} : { labels }),
    ...(region === undefined ? {} : { region }),
  }
  return { beat: { ...rest, ...said }, at, left, envelope }
}

export function unpackBeat(bytes: Uint8Array, universe: string): HeardBeat {
  return readBeat(decodeAs(envelopeSchema, bytes, 'a beat'), universe)
}

/** Keys of peers whose beats were judged lately: making one anew takes half as long as a verdict. */
export type KnownKeys = Map<Peer, ReturnType<typeof publicKeyOf>>

/** Whether the peer itself signed it. */
export function isSignedBy(peer: Peer, { body, signature }: Envelope, known: KnownKeys = new Map()): boolean {
  const id = known.has(peer) ? undefined : identityOf(peer)
  if (id !== undefined) {
    dropOldest(known, MEMBERS_MAX)
    known.set(peer, publicKeyOf(id))
  }
  const key = known.get(peer)
  return key !== undefined && verifySignature(key, Buffer.concat([CONTEXT, body]), signature)
}
