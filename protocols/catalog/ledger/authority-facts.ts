/** What entries say about authority, read once: grants of all kinds, what ends them, and whose key became whose. */
import {
  faultOfInvitation,
  type Grant,
  type Identity,
  type InvitationFault,
  type Presented,
  publicKeyOf,
  verifySignature,
} from '#protocols/access'
import { encode } from '#protocols/codec'
import { bodyOf, type BodyOf } from './bodies.ts'
import { comparePlaces, type Line, type Place, placeOf } from './entry.ts'

interface Common {
  place: Place
  /** The entry it stands on; `null`: the root's own. */
  basis: string | null
}

/** The last entry of each author that counts; an author not listed is pinned at 0. */
export type Pins = ReadonlyMap<string, number>

/** An admission, a grant, or a namespace's ownership: what its subject may do, where, until when. */
export interface GrantFact extends Common {
  kind: 'grant'
  type: 'admit' | 'grant' | 'namespace'
  subject: string
  scopes: readonly Grant[]
  expiresAtMs: number | null
  /** The grant of whoever asked for it, which it ends with too. */
  under: string | null
  /** Of a namespace: which one, the entry that made its present owner, and where that one's authors end. */
  owns: { namespace: string; of: string | null; pins: Pins } | undefined
  /** Of an admission: what the node may be, and the invitation it came with. */
  roles: readonly string[]
  invited: (Pick<Presented, 'id' | 'issuer' | 'uses'> & { fault: InvitationFault | undefined }) | undefined
}

export interface RevokeFact extends Common {
  kind: 'revoke'
  target: string
  pins: Pins
}

export interface CancelFact extends Common {
  kind: 'cancel'
  issuer: string
  token: string
}

export interface BanFact extends Common {
  kind: 'ban'
  member: string
  seq: number
}

export interface RotateFact extends Common {
  kind: 'rotate'
  from: string
  to: string
  seq: number
  /** Whether `to` signed that it takes over. */
  agreed: boolean
  /** Whether the signature of `from` that it carries, if any, is one. */
  given: boolean
}

export interface GenesisFact extends Common {
  kind: 'genesis'
  root: string
  recovery: string | null
}

export type AuthorityFact = GrantFact | RevokeFact | CancelFact | BanFact | RotateFact | GenesisFact

/** What `to` signs to take over from `from`. 64 bytes. */
export function agreeToRotation(to: Identity, universe: string, from: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(to.sign(rotationBytes(universe, from, to.id)))
}

/** What `from` signs to give itself on to `to`. 64 bytes. */
export function giveOn(from: Identity, universe: string, to: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(from.sign(givingBytes(universe, from.id, to)))
}

/** What was read of an entry at the door is asked for again when it is on disk. */
const read = new WeakMap<Line, AuthorityFact | undefined>()

/** Whether entries of this type give, end or move authority. */
export function isAuthorityType(type: string): boolean {
  return Object.hasOwn(readers, type)
}

/** `undefined` for other types, and for bodies that do not fit theirs. The same object for the same entry. */
export function authorityFactOf(entry: Line): AuthorityFact | undefined {
  const reads = isAuthorityType(entry.type) ? readers[entry.type] : undefined
  if (reads === undefined) return undefined
  if (read.has(entry)) return read.get(entry)
  const fact = reads(entry, { place: placeOf(entry), basis: entry.grant })
  read.set(entry, fact)
  return fact
}

const NO_ADMISSION = { roles: [], invited: undefined } as const

type Reader = (entry: Line, common: Common) => AuthorityFact | undefined

const readers: Readonly<Record<string, Reader | undefined>> = {
  genesis: reader('genesis', (body, common) => ({ ...common, kind: 'genesis', root: body.root, recovery: body.recovery })),
  admit: reader('admit', (body, common, entry) => ({
    ...common,
    kind: 'grant',
    type: 'admit',
    subject: body.member,
    scopes: body.grants,
    expiresAtMs: body.expiresAtMs,
    under: body.under ?? null,
    owns: undefined,
    roles: body.roles,
    invited: invitedOf(body, entry),
  })),
  grant: reader('grant', (body, common) => ({
    ...common,
    kind: 'grant',
    type: 'grant',
    subject: body.subject,
    scopes: [{ can: body.can, namespaces: body.namespaces }],
    expiresAtMs: body.expiresAtMs,
    under: body.under ?? null,
    owns: undefined,
    ...NO_ADMISSION,
  })),
  namespace: reader('namespace', (body, common) => ({
    ...common,
    kind: 'grant',
    type: 'namespace',
    subject: body.owner,
    scopes: [{ can: ['admin'], namespaces: [body.namespace] }],
    expiresAtMs: null,
    under: body.under ?? null,
    owns: { namespace: body.namespace, of: body.of, pins: pinsOf(body.pins) },
    ...NO_ADMISSION,
  })),
  revoke: reader('revoke', (body, common) => ({ ...common, kind: 'revoke', target: body.grant, pins: pinsOf(body.pins) })),
  cancel: reader('cancel', (body, common) => ({ ...common, kind: 'cancel', ...body })),
  ban: reader('ban', (body, common) => ({ ...common, kind: 'ban', ...body })),
  rotate: reader('rotate', (body, common, entry) => ({
    ...common,
    kind: 'rotate',
    from: body.from,
    to: body.to,
    seq: body.seq,
    agreed: isAgreed(body, entry.universe),
    given: body.given === undefined || isGiven({ ...body, given: body.given }, entry.universe),
  })),
}

function reader<T extends 'genesis' | 'admit' | 'grant' | 'namespace' | 'revoke' | 'cancel' | 'ban' | 'rotate'>(
  type: T,
  read: (body: BodyOf<T>, common: Common, entry: Line) => AuthorityFact,
): Reader {
  return (entry, common) => {
    const body = bodyOf(entry, type)
    return body && read(body, common, entry)
  }
}

/** Verified once: what it says never changes. */
function invitedOf({ member, roles, invitation }: BodyOf<'admit'>, { universe, hlc }: Line): GrantFact['invited'] {
  if (invitation === undefined) return undefined
  const { id, issuer, uses } = invitation
  return { id, issuer, uses, fault: faultOfInvitation(invitation, { member, roles }, universe, hlc.wallMs) }
}

function pinsOf(pins: BodyOf<'revoke'>['pins']): Pins {
  return new Map(pins.map(({ author, seq }) => [author, seq]))
}

/** Whether `from` signed that it gives itself on to `to`. */
export function isGiven({ from, to, given }: { from: string; to: string; given: Uint8Array }, universe: string): boolean {
  return verifySignature(publicKeyOf(from), givingBytes(universe, from, to), given)
}

/** Whether `to` signed that it takes over from `from`. */
export function isAgreed({ from, to, proof }: Pick<BodyOf<'rotate'>, 'from' | 'to' | 'proof'>, universe: string): boolean {
  return proof !== null && verifySignature(publicKeyOf(to), rotationBytes(universe, from, to), proof)
}

function rotationBytes(universe: string, from: string, to: string): Uint8Array {
  return Buffer.concat([Buffer.from('osiris/rotate/1\0'), encode({ universe, from, to })])
}

function givingBytes(universe: string, from: string, to: string): Uint8Array {
  return Buffer.concat([Buffer.from('osiris/give/1\0'), encode({ universe, from, to })])
}

/** Facts by what they are looked up by. Any order in; `add` is idempotent. */
export class AuthorityFacts {
  readonly root: string
  /** By hash. */
  readonly all = new Map<string, AuthorityFact>()
  readonly grants = new Map<string, GrantFact>()
  readonly admits = new Map<string, GrantFact[]>()
  readonly transfers = new Map<string, GrantFact[]>()
  readonly revokes = new Map<string, RevokeFact[]>()
  /** By issuer and token. */
  readonly cancels = new Map<string, CancelFact[]>()
  readonly bans: BanFact[] = []
  /** In total order. */
  readonly rotates: RotateFact[] = []
  genesis: GenesisFact | undefined

  constructor(root: string) {
    this.root = root
  }

  /** The same without those of these places. */
  without(isOut: (place: Place) => boolean): AuthorityFacts {
    const facts = new AuthorityFacts(this.root)
    for (const fact of this.all.values()) if (!isOut(fact.place)) facts.add(fact)
    return facts
  }

  /** Whether it is new. */
  add(fact: AuthorityFact): boolean {
    const { hash } = fact.place
    if (this.all.has(hash)) return false
    this.all.set(hash, fact)
    if (fact.kind === 'grant') this.#addGrant(fact)
    else if (fact.kind === 'revoke') listIn(this.revokes, fact.target).push(fact)
    else if (fact.kind === 'cancel') listIn(this.cancels, tokenKey(fact.issuer, fact.token)).push(fact)
    else if (fact.kind === 'ban') this.bans.push(fact)
    else if (fact.kind === 'genesis') {
      if (isGenesis(fact, this.root)) this.genesis ??= fact
    } else {
      this.rotates.push(fact)
      this.rotates.sort(byPlace)
    }
    return true
  }

  #addGrant(fact: GrantFact): void {
    this.grants.set(fact.place.hash, fact)
    if (fact.type === 'admit') listIn(this.admits, fact.subject).push(fact)
    const of = fact.owns?.of
    if (of === undefined || of === null) return
    const transfers = listIn(this.transfers, of)
    transfers.push(fact)
    transfers.sort(byPlace)
  }
}

/** Where the root's feed begins; there can be one only, as long as the root does not fork its feed. */
export function isGenesis(fact: GenesisFact, root: string): boolean {
  return fact.root === root && fact.place.author === root && fact.place.seq === 1 && fact.basis === null
}

/** Names a token or an invitation: ids are its issuer's own. */
export function tokenKey(issuer: string, id: string): string {
  return `${issuer} ${id}`
}

export function byPlace(a: Common, b: Common): number {
  return comparePlaces(a.place, b.place)
}

export function listIn<V>(map: Map<string, V[]>, key: string): V[] {
  let list = map.get(key)
  if (list === undefined) map.set(key, (list = []))
  return list
}
