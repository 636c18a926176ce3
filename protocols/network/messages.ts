/** What networks say to each other about the mesh itself, over the same requests as everybody else. */
import { z } from 'zod'
import { decode, decodeAs, encode, parse } from '#protocols/codec'
import { envelopeSchema } from './beats.ts'
import { DIGEST_BYTES_MAX } from './digest.ts'
import { MEMBERS_MAX } from './limits.ts'

/** The protocol of this room. */
export const PROTOCOL = 'network/1'
/** The topic of beats. */
export const BEATS = 'beats'

/** Of whom an answer says that they are dead. */
export const DEAD_MAX = 4

const peerSchema = z.string().max(64)
const digestSchema: z.ZodType<Uint8Array> = z.instanceof(Uint8Array).refine((bytes) => bytes.length <= DIGEST_BYTES_MAX)
const ageSchema = z.number().int().min(0)
/** A beat of whoever says it, and how long ago it was signed; null of a peer without a role, which has none. */
const selfSchema = z.object({ envelope: envelopeSchema, ageMs: ageSchema }).nullable()
const requestSchema = z.discriminatedUnion('kind', [
  /** "Here I am; who is here that I do not know, or not as lately?" The answer's body is a list of members. Null: none is wanted. */
  z.object({ kind: z.literal('hello'), self: selfSchema, known: digestSchema.nullable() }),
  /** "Can you reach this one?" */
  z.object({ kind: z.literal('probe'), peer: peerSchema }),
])
export type NetworkRequest = z.infer<typeof requestSchema>

const helloSchema = z.object({
  self: selfSchema,
  /** Members that the asker knows and that could not be reached from here. */
  dead: z.array(peerSchema).max(DEAD_MAX),
})
const probeSchema = z.object({ reachable: z.boolean() })
const handedOutSchema = z.array(z.object({ peer: peerSchema, ageMs: ageSchema, envelope: envelopeSchema })).max(MEMBERS_MAX)
export type Hello = z.infer<typeof helloSchema>
export type HandedOut = z.infer<typeof handedOutSchema>

export const encodeRequest = (request: NetworkRequest): Uint8Array => encode(request)
export const decodeRequest = (bytes: Uint8Array): NetworkRequest => decodeAs(requestSchema, bytes, 'a request about the mesh')
export const encodeHello = (hello: Hello): Uint8Array => encode(hello)
export const decodeHello = (bytes: Uint8Array): Hello => decodeAs(helloSchema, bytes, 'the answer to a hello')
export const encodeProbe = (probe: z.infer<typeof probeSchema>): Uint8Array => encode(probe)
export const decodeProbe = (bytes: Uint8Array): z.infer<typeof probeSchema> => decodeAs(probeSchema, bytes, 'the answer to a probe')
export const encodeHandedOut = (members: HandedOut): Uint8Array => encode(members)
export const decodeHandedOut = (bytes: Uint8Array): HandedOut => parse(handedOutSchema, decode(bytes), 'a list of members')
