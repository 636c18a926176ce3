/**
 * What lets a node in: an invitation, signed by the root or by whoever holds `admin` everywhere, good for some roles, some nodes, some time.
 * An invitation has a key pair of its own: its public half is its id, its secret half travels in the join token only. Whoever joins signs its own key
 * with that secret, so that what it shows to members, and what the ledger keeps, lets nobody else in.
 */
import { z } from 'zod'
import { encode } from '#protocols/codec'
import { createIdentity, type Identity, keySchema, publicKeyOf, verifySignature } from './identity.ts'

/** Nodes that one invitation lets in: all of a large universe. */
export const USES_MAX = 10_000

const signatureSchema = z.instanceof(Uint8Array).refine((bytes) => bytes.length === 64, 'a signature has 64 bytes')

export const invitationSchema = z.strictObject({
  /** The public half of its own key. */
  id: keySchema,
  issuer: keySchema,
  /** `universeId`. */
  universe: z.string().regex(/^[0-9a-f]{16}$/),
  /** What a node that comes with it may be. */
  roles: z.array(z.string().min(1).max(32)).min(1).max(16),
  /** How many nodes it lets in; one that comes again counts once. */
  uses: z.int().min(1).max(USES_MAX),
  /** Wall clock, milliseconds since the epoch. */
  expiresAtMs: z.int().min(0),
  /** Of the issuer, over all of the above. */
  signature: signatureSchema,
})
export type Invitation = z.infer<typeof invitationSchema>

/** As it stands in a join token. The secret is 32 bytes. */
export const invitedSchema = z.strictObject({
  invitation: invitationSchema,
  secret: z.instanceof(Uint8Array).refine((bytes) => bytes.length === 32, 'a secret has 32 bytes'),
})
export type Invited = z.infer<typeof invitedSchema>

/** As a node shows it: `proof` is by the invitation's secret, over the node's own key. */
export const presentedSchema = z.strictObject({ ...invitationSchema.shape, proof: signatureSchema })
export type Presented = z.infer<typeof presentedSchema>

/** Signs an invitation to a universe (`universeId`). */
export function invite(issuer: Identity, universe: string, terms: Pick<Invitation, 'roles' | 'uses' | 'expiresAtMs'>): Invited {
  const own = createIdentity()
  const said = { id: own.id, issuer: issuer.id, universe, roles: [...terms.roles], uses: terms.uses, expiresAtMs: terms.expiresAtMs }
  return { invitation: { ...said, signature: new Uint8Array(issuer.sign(bytesOf(said))) }, secret: new Uint8Array(own.seed) }
}

/** What a node with this key (64 hex characters) shows. */
export function present({ invitation, secret }: Invited, member: string): Presented {
  return { ...invitation, proof: new Uint8Array(createIdentity(secret).sign(proofBytes(invitation, member))) }
}

/** Why an invitation lets this node in nowhere, by what never changes. */
export type InvitationFault = 'foreign' | 'forged' | 'stolen' | 'expired' | 'roles'

/** Whether the invitation itself is good for this node at this time; who signed it, and what became of it since, is judged from the ledger. Pure. */
export function faultOfInvitation(
  shown: Presented,
  node: { member: string; roles: readonly string[] },
  universe: string,
  nowMs: number,
): InvitationFault | undefined {
  if (shown.universe !== universe) return 'foreign'
  if (nowMs >= shown.expiresAtMs) return 'expired'
  if (node.roles.some((role) => !shown.roles.includes(role))) return 'roles'
  if (!verifySignature(publicKeyOf(shown.issuer), bytesOf(shown), shown.signature)) return 'forged'
  if (!verifySignature(publicKeyOf(shown.id), proofBytes(shown, node.member), shown.proof)) return 'stolen'
  return undefined
}

function bytesOf({ id, issuer, universe, roles, uses, expiresAtMs }: Omit<Invitation, 'signature'>): Uint8Array {
  return Buffer.concat([Buffer.from('osiris/invitation/1\0'), encode({ id, issuer, universe, roles, uses, expiresAtMs })])
}

function proofBytes({ id, universe }: Pick<Invitation, 'id' | 'universe'>, member: string): Uint8Array {
  return Buffer.concat([Buffer.from('osiris/joining/1\0'), encode({ id, universe, member })])
}
