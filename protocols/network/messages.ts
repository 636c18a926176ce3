/** What networks say to each other about the mesh itself, over the same requests as everybody else. */
import { z } from 'zod'
import { decode, decodeAs, encode, parse } from '#protocols/codec'
import { envelopeSchema } from './beats.ts'
import { MEMBERS_MAX } from './limits.ts'

/** The protocol of this room. */
export const PROTOCOL = 'network/1'
/** The topic of beats. */
export const BEATS = 'beats'

const peerSchema = z.string().max(64)
const requestSchema = z.discriminatedUnion('kind', [
  /** "Here I am; who is here?" The answer's body is a list of members. A peer without a role sends no beat. */
  z.object({ kind: z.literal('hello'), self: envelopeSchema.nullable() }),
  /** "Can you reach this one?" */
  z.object({ kind: z.literal('probe'), peer: peerSchema }),
])
export type NetworkRequest = z.infer<typeof requestSchema>

const helloSchema = z.object({ self: envelopeSchema.nullable() })
const probeSchema = z.object({ reachable: z.boolean() })
const handedOutSchema = z.array(z.object({ peer: peerSchema, ageMs: z.number().int().min(0), envelope: envelopeSchema })).max(MEMBERS_MAX)
export type HandedOut = z.infer<typeof handedOutSchema>

export const encodeRequest = (request: NetworkRequest): Uint8Array => encode(request)
export const decodeRequest = (bytes: Uint8Array): NetworkRequest => decodeAs(requestSchema, bytes, 'a request about the mesh')
export const encodeHello = (hello: z.infer<typeof helloSchema>): Uint8Array => encode(hello)
export const decodeHello = (bytes: Uint8Array): z.infer<typeof helloSchema> => decodeAs(helloSchema, bytes, 'the answer to a hello')
export const encodeProbe = (probe: z.infer<typeof probeSchema>): Uint8Array => encode(probe)
export const decodeProbe = (bytes: Uint8Array): z.infer<typeof probeSchema> => decodeAs(probeSchema, bytes, 'the answer to a probe')
export const encodeHandedOut = (members: HandedOut): Uint8Array => encode(members)
export const decodeHandedOut = (bytes: Uint8Array): HandedOut => parse(handedOutSchema, decode(bytes), 'a list of members')
