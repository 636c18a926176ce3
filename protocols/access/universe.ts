/** One isolated mesh: its keys and its names, and the token that lets a node or a client in. */
import { hkdfSync, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { decode, digestOf, encode, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { nameSchema } from '#protocols/manifest'
import { keySchema } from './identity.ts'
import { invitedSchema } from './invitation.ts'

export const universeSchema = z.strictObject({
  name: nameSchema,
  /** The root's public key, 64 hex characters: the authority everything else descends from. Its SHA-256 is the universe's id. */
  root: keySchema,
  /** 32 random bytes as hex, known to every node and to nobody else: opens the door and nothing more. */
  secret: z.string().regex(/^[0-9a-f]{64}$/),
})
export type Universe = z.infer<typeof universeSchema>

export function createUniverse(name: string, root: string): Universe {
  return { name, root, secret: randomBytes(32).toString('hex') }
}

/** 16 hex characters that stand in protocol names, topics, tokens and signatures, so that nothing crosses from one universe to another. */
export function universeId(universe: Pick<Universe, 'root'>): string {
  return digestOf(Buffer.from(universe.root, 'hex')).slice(0, 16)
}

/** The pre-shared key of the mesh: HKDF-SHA-256 (RFC 5869) of the secret, bound to the universe's id. 32 bytes. */
export function swarmKeyOf(universe: Universe): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', Buffer.from(universe.secret, 'hex'), universeId(universe), 'osiris/swarm/1', 32))
}

const joinSchema = z.strictObject({
  universe: universeSchema,
  /** Multiaddrs with peer ids, at least one. */
  bootstrap: z.array(z.string().max(512)).min(1).max(32),
  /** A caller's token for clients that come with no other. */
  token: z.string().max(4096).optional(),
  /** What lets a node with roles in, where the universe does not let in everybody. */
  invited: invitedSchema.optional(),
})
export type JoinToken = z.infer<typeof joinSchema>
const PREFIX = 'osiris1.'

export function formatJoinToken(join: JoinToken): string {
  return PREFIX + Buffer.from(encode(join)).toString('base64url')
}

export function isJoinToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** Throws `invalid_argument` for anything that is not a whole token. */
export function parseJoinToken(text: string): JoinToken {
  if (!isJoinToken(text)) throw new OsirisError('invalid_argument', `Cannot read the join token: it does not begin with "${PREFIX}"`)
  try {
    return parse(joinSchema, decode(Buffer.from(text.slice(PREFIX.length), 'base64url')), 'the token')
  } catch (error) {
    throw new OsirisError('invalid_argument', 'Cannot read the join token: it is cut short or damaged; copy the whole of it', {
      cause: error,
    })
  }
}
