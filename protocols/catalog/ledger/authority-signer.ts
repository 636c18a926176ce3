/** With which key this node writes an entry, and on which grant it stands. */
import type { Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { LedgerAuthority } from './authority.ts'
import { ADMIN_EVERYWHERE, type Need, type Needs, needsOf } from './authority-rules.ts'
import type { BodyOf, EntryType } from './bodies.ts'

export interface Signer {
  identity: Identity
  grant: string | null
}

/** The first of these keys that holds what the entry needs. Throws `forbidden`, saying which grant is missing and who could give it. */
export function signerFor<T extends EntryType>(
  authority: LedgerAuthority,
  keys: readonly Identity[],
  type: T,
  body: BodyOf<T>,
  nowMs: number,
): Signer {
  for (const identity of keys) {
    const grant = standingOf(authority, identity.id, type, body, nowMs)
    if (grant !== undefined) return { identity, grant }
  }
  throw forbidden(authority, keys[0] as Identity, type, body, nowMs)
}

/** Why none of these keys may write it; nothing where one may. */
export function faultOfSigning<T extends EntryType>(...signing: Parameters<typeof signerFor<T>>): OsirisError | undefined {
  try {
    signerFor(...signing)
    return undefined
  } catch (error) {
    return OsirisError.from(error, 'Cannot write to the ledger')
  }
}

function standingOf<T extends EntryType>(authority: LedgerAuthority, key: string, type: T, body: BodyOf<T>, nowMs: number) {
  const { grant, of, from } = body as { grant?: string; of?: string | null; from?: string }
  if (type === 'rotate') return key === from ? authority.standingForAll(key, [], nowMs) : authority.standingToEnd(key, '', true, nowMs)
  if (type === 'revoke') return authority.standingToEnd(key, grant ?? '', true, nowMs)
  if (type === 'namespace' && typeof of === 'string') return authority.standingToEnd(key, of, false, nowMs)
  const needs = needsOfBody(type, body)
  return needs === 'root' ? authority.standingToEnd(key, '', true, nowMs) : authority.standingForAll(key, needs, nowMs)
}

function needsOfBody<T extends EntryType>(type: T, body: BodyOf<T>): Needs {
  if (type === 'genesis' || type === 'ban') return 'root'
  if (type === 'admit' || type === 'cancel') return ADMIN_EVERYWHERE
  if (type === 'namespace') return [{ can: 'admin', namespace: (body as BodyOf<'namespace'>).namespace }]
  if (type === 'grant') return (body as BodyOf<'grant'>).namespaces.map((namespace) => ({ can: 'admin', namespace }))
  return needsOf({ type, body }, undefined)
}

function forbidden<T extends EntryType>(authority: LedgerAuthority, own: Identity, type: T, body: BodyOf<T>, nowMs: number): OsirisError {
  const act = `Cannot write "${type}"`
  const node = `this node (${own.id.slice(0, 8)})`
  if (!authority.isMember(own.id, nowMs)) {
    const why = authority.isBanned(own.id) ? 'is banned from this universe' : 'is not admitted to this universe'
    return new OsirisError('forbidden', `${act}: ${node} ${why}; whoever holds the root key admits nodes`)
  }
  if (type === 'revoke' || (type === 'namespace' && (body as BodyOf<'namespace'>).of !== null))
    return new OsirisError('forbidden', `${act}: ${node} holds nothing above what it ends; its issuer or the root can end it`)
  const needs = needsOfBody(type, body)
  if (needs === 'root') return new OsirisError('forbidden', `${act}: only the root may, and ${node} does not hold its key`)
  const missing = needs.map(({ can, namespace }) => `"${can}" on "${namespace}"`).join(', ')
  return new OsirisError('forbidden', `${act}: ${node} holds no grant of ${missing}; ${giversOf(authority, needs)} can give it`)
}

function giversOf(authority: LedgerAuthority, needs: readonly Need[]): string {
  const owner = authority.namespaces().find((each) => each.namespace === needs[0]?.namespace)
  return owner === undefined ? 'the root' : `the owner ${owner.owner.slice(0, 8)} or the root`
}
