/** May this caller manage? Deny by default; every management route passes here before it looks at anything. */
import type { FoundCaller } from '#node/access'
import { type Access, allows, type Capability, type Principal } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'

/** Throws `unauthenticated` or `forbidden` unless the caller may do `action` in `namespace`. */
export async function requireIn(access: Access, found: FoundCaller, action: Capability, namespace: string): Promise<Principal> {
  refuseForeign(found, `${action} in namespace "${namespace}"`)
  return access.require(found.caller, action, namespace)
}

/** Throws unless the caller may do `action` in at least one namespace: for what belongs to none. `act` is the first half of the sentence. */
export async function requireAnywhere(access: Access, found: FoundCaller, action: Capability, act: string): Promise<Principal> {
  refuseForeign(found, act)
  const principal = await access.principalOf(found.caller)
  if (principal.grants.some((grant) => grant.namespaces.some((namespace) => allows(principal, action, namespace)))) return principal
  if (found.caller.token === undefined) throw new OsirisError('unauthenticated', `Cannot ${act}: no token was sent`)
  throw new OsirisError('forbidden', `Cannot ${act}: "${principal.subject}" has no grant to ${action} anywhere`)
}

/** The same for lists of what is in a namespace: of that one, or of all that the caller may read. */
export function requireReader(access: Access, found: FoundCaller, namespace: string | undefined, act: string): Promise<Principal> {
  return namespace === undefined ? requireAnywhere(access, found, 'read', act) : requireIn(access, found, 'read', namespace)
}

export function mayRead(principal: Principal, namespace: string): boolean {
  return allows(principal, 'read', namespace)
}

/** Throws unless somebody asks, whatever they may do: for what is judged where it is written. */
export async function requireToken(access: Access, found: FoundCaller, act: string): Promise<Caller> {
  refuseForeign(found, act)
  await access.principalOf(found.caller)
  if (found.caller.token === undefined) throw new OsirisError('unauthenticated', `Cannot ${act}: no token was sent`)
  return found.caller
}

/** On a developer's machine the missing rights have a reason worth telling: a page, a proxy or a foreign Host. */
function refuseForeign(found: FoundCaller, act: string): void {
  if (found.refusal !== undefined)
    throw new OsirisError('forbidden', `Cannot ${act}: the request does not act as the developer, because ${found.refusal}`)
}
