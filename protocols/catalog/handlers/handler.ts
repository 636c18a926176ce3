/** What the handlers of all messages share: their shape, and the one place that says who may ask. Deny by default. */
import { type Access, allows } from '#protocols/access'
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { IncomingRequest, Message, Network, Peer } from '#protocols/network'
import type { RequestOf, RequestType } from '../messages.ts'
import type { CatalogService } from '../service.ts'

export interface Context {
  service: CatalogService
  network: Network
  access: Access
}

/** What judging a reader takes. */
export type ReadContext = Pick<Context, 'network' | 'access'>

export type Handler<T extends RequestType> = (context: Context, message: RequestOf<T>, request: IncomingRequest) => Promise<Message>

/** Stands for all namespaces: reading across them takes a grant on `*`. */
export const EVERYWHERE = '*'

/** Which namespaces the sender may read: all, for a member with a role; for others what their token may read or invoke. Throws `unauthenticated`. */
export async function readable(context: ReadContext, peer: Peer, caller: Caller | undefined): Promise<(namespace: string) => boolean> {
  if (isMember(context, peer)) return () => true
  const principal = await context.access.principalOf(caller ?? { subject: 'anonymous' })
  return (namespace) => allows(principal, 'read', namespace) || allows(principal, 'invoke', namespace)
}

/** Throws `unauthenticated` (no token) or `forbidden` unless the sender may read the namespace. */
export async function requireReader(context: ReadContext, peer: Peer, caller: Caller | undefined, namespace: string): Promise<void> {
  if ((await readable(context, peer, caller))(namespace)) return
  if (caller?.token === undefined)
    throw new OsirisError('unauthenticated', 'Cannot read the catalog: the sender has no role in this mesh and sent no token')
  throw new OsirisError('forbidden', `Cannot read the catalog: the token has no grant for namespace "${namespace}"`)
}

/** Throws `unauthenticated` or `forbidden` unless the sender may read everything: entries name functions, keys and rights of all namespaces. */
export async function requireReaderOfAll(context: ReadContext, peer: Peer, caller: Caller | undefined): Promise<void> {
  if (!isMember(context, peer)) await context.access.require(caller ?? { subject: 'anonymous' }, 'read', EVERYWHERE)
}

/** Throws `forbidden` unless the sender is a member with a role, by its signed beats. */
export function requireMember(context: Context, peer: Peer): void {
  if (isMember(context, peer)) return
  throw new OsirisError('forbidden', 'Cannot exchange ledger entries: the sender is not known as a member with a role')
}

export function answer(head: Record<string, unknown>, body?: Uint8Array): Message {
  return { head: encode(head), ...(body === undefined ? {} : { body }) }
}

/** Zod reads an absent key as one that may be `undefined`; our own types say absent. */
export function callerOf(caller: { subject: string; token?: string | undefined }): Caller {
  return caller.token === undefined ? { subject: caller.subject } : { subject: caller.subject, token: caller.token }
}

export function isMember(context: ReadContext, peer: Peer): boolean {
  return (context.network.members.get(peer)?.roles.length ?? 0) > 0
}
