/** Lets nodes in: judges what they come with, and writes it down where this node may. */
import { faultOfInvitation, type Grant, type InvitationFault, type Presented } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Clock, Role } from '#protocols/lifecycle'
import type { LedgerAuthority } from '../ledger/authority.ts'
import { ADMIN_EVERYWHERE } from '../ledger/authority-rules.ts'
import type { BodyOf } from '../ledger/bodies.ts'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { Locks } from '../locks.ts'
import type { Writer } from '../writer.ts'

/** A node that asks to take part. Its connection proves `member`, its key. */
export interface Candidate {
  member: string
  /** For people. */
  name: string
  roles: Role[]
  invitation?: Presented | undefined
}

/**
 * Why a node is not let in. `uninvited`: it showed nothing; `ended`: its key counts no more, whoever lets it in; `issuer`: whoever signed may not invite (any more); `used_up`: others came first;
 * `cancelled`: somebody ended it; the others as in `#protocols/access`.
 */
export type JoinFault = InvitationFault | 'uninvited' | 'banned' | 'ended' | 'issuer' | 'cancelled' | 'used_up'

const SENTENCES: Readonly<Record<JoinFault, string>> = {
  uninvited:
    'it has not been let in, and shows no invitation; an administrator makes a join token that has one: osiris token create --join',
  banned: 'it is banned from this universe',
  ended:
    'its key has ended: it was frozen for writing two entries in one place, or given on to another key; a node with a new key can join',
  foreign: 'its join token is for another universe',
  forged: 'its join token was not signed by whom it names',
  stolen: 'its join token belongs to somebody else: only whoever has the whole of it can use it',
  expired: 'its join token has expired',
  roles: 'its join token is not good for these roles',
  issuer: 'whoever signed its join token may not let nodes in, or may not any more',
  cancelled: 'its join token was revoked',
  used_up: 'its join token has been used as often as it may be',
}

/** `ban`: the entry that says so. */
export function joinRefused({ name, roles }: Pick<Candidate, 'name' | 'roles'>, reason: JoinFault, ban?: Uint8Array): OsirisError {
  const shown = ban === undefined ? {} : { ban: Buffer.from(ban).toString('base64') }
  return new OsirisError('forbidden', `Cannot let in "${name}" as ${roles.join(', ')}: ${SENTENCES[reason]}`, {
    details: { reason, ...shown },
  })
}

/** Whether the ledger has let a node in, as all of this. */
export function isAdmitted(authority: LedgerAuthority, { member, roles }: Pick<Candidate, 'member' | 'roles'>, nowMs: number): boolean {
  if (!authority.isMember(member, nowMs)) return false
  const held = authority.rolesOf(member, nowMs)
  return authority.isTop(member) || roles.every((role) => held.has(role))
}

/** Why the ledger does not let in whoever comes with this; nothing where it does. Pure. */
export function faultOfJoining(
  authority: LedgerAuthority,
  { member, roles, invitation }: Candidate,
  universe: string,
  nowMs: number,
): JoinFault | undefined {
  if (authority.isBanned(member)) return 'banned'
  // An admission of it would have no effect, and it would ask for the next one.
  if (authority.hasEnded(member)) return 'ended'
  if (invitation === undefined) return 'uninvited'
  const { issuer, id, uses } = invitation
  const fault = faultOfInvitation(invitation, { member, roles }, universe, nowMs)
  if (fault !== undefined) return fault
  if (!authority.isTop(issuer) && authority.holdingOf(issuer, ADMIN_EVERYWHERE, nowMs, nowMs) === undefined) return 'issuer'
  if (authority.isCancelled(issuer, id)) return 'cancelled'
  return authority.isGuest(issuer, id, member) || authority.guestsOf(issuer, id) < uses ? undefined : 'used_up'
}

/** Who keeps the ledger judges the tokens of all namespaces; the others write nothing. */
export function grantsFor(roles: readonly Role[]): Grant[] {
  return roles.includes('catalog') ? [{ can: ['deploy'], namespaces: ['*'] }] : []
}

/** How long an admission is told to the others in the background. */
const TELL_MS = 2000

export interface AdmitterInit {
  ledger: Ledger
  writer: Pick<Writer, 'record'>
  clock: Clock
  /** Lets in whoever has come through the mesh's door, without an invitation: for universes of development. */
  isOpen: boolean
}

export class Admitter {
  readonly #init: AdmitterInit
  readonly #locks = new Locks()
  readonly #refused: Partial<Record<JoinFault, number>> = {}

  constructor(init: AdmitterInit) {
    this.#init = init
  }

  /** Nodes not let in since the start, by reason. */
  refused(): Partial<Record<JoinFault, number>> {
    return { ...this.#refused }
  }

  /**
   * Resolves when the ledger here says that it is let in. Throws `forbidden` (`details.reason`: a `JoinFault`), `unavailable` where this node may let nobody in
   * (`details.standing` is `false`) or may not write now.
   */
  async admit(candidate: Candidate): Promise<void> {
    const { ledger, clock } = this.#init
    if (isAdmitted(ledger.authority, candidate, clock.now())) return
    await this.#assertMayAdmit(candidate)
    // One after the other, so that of those who come with one invitation each is told the truth.
    await this.#locks.run([candidate.invitation?.id ?? candidate.member], () => this.#admitNext(candidate))
  }

  /** Lets this node itself in, where it holds the root's key. Throws as `Writer.record` does. */
  async admitSelf(name: string, roles: Role[]): Promise<void> {
    const body = { member: this.#init.ledger.author, name, roles, grants: grantsFor(roles), expiresAtMs: null }
    await this.#init.writer.record('admit', body, { by: name, ack: 'accepted', timeoutMs: TELL_MS })
  }

  /** Whether this node's ledger has let a node in, as all of this. */
  hasLetIn(member: string, roles: Role[]): boolean {
    return isAdmitted(this.#init.ledger.authority, { member, roles }, this.#init.clock.now())
  }

  async #admitNext(candidate: Candidate): Promise<void> {
    const { ledger, writer, clock } = this.#init
    const { authority } = ledger
    const nowMs = clock.now()
    if (isAdmitted(authority, candidate, nowMs)) return
    const fault = this.#faultOf(candidate)
    if (fault !== undefined) throw await this.#refusal(candidate, fault)
    await writer.record('admit', this.#bodyFor(candidate, nowMs), { by: candidate.name, ack: 'accepted', timeoutMs: TELL_MS })
    if (!isAdmitted(authority, candidate, clock.now())) throw await this.#refusal(candidate, 'used_up')
  }

  /** An admission by a person's invitation ends with that person's grant, and no later. */
  #bodyFor({ member, name, roles, invitation }: Candidate, nowMs: number): BodyOf<'admit'> {
    const { authority } = this.#init.ledger
    const body = { member, name, roles, grants: grantsFor(roles), expiresAtMs: null }
    if (invitation === undefined) return body
    const { issuer } = invitation
    const under = authority.isTop(issuer) ? undefined : authority.holdingOf(issuer, ADMIN_EVERYWHERE, nowMs, nowMs)
    return { ...body, invitation, ...(under === undefined ? {} : { under, expiresAtMs: authority.expiryOf(under) }) }
  }

  /** Who may let nobody in says what it thinks of it all the same: whoever asks counts what the catalogs say. */
  async #assertMayAdmit(candidate: Candidate): Promise<void> {
    const { ledger } = this.#init
    const { name } = candidate
    const body = { member: ledger.author, name, roles: [], grants: [], expiresAtMs: null }
    if (ledger.faultOfSigning('admit', body) === undefined) return
    const fault = this.#faultOf(candidate)
    if (fault !== undefined) throw await this.#refusal(candidate, fault)
    throw new OsirisError('unavailable', `Cannot let in "${name}": this node lets nobody in; one with the root key does`, {
      details: { standing: false },
    })
  }

  #faultOf(candidate: Candidate): JoinFault | undefined {
    const { ledger, clock, isOpen } = this.#init
    const fault = faultOfJoining(ledger.authority, candidate, ledger.universe, clock.now())
    return isOpen && fault === 'uninvited' ? undefined : fault
  }

  async #refusal(candidate: Candidate, reason: JoinFault): Promise<OsirisError> {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
    const ban = reason === 'banned' ? await this.#banOf(candidate.member) : undefined
    return joinRefused(candidate, reason, ban)
  }

  /** The entry that bans a node, where it can be read: it needs nobody's word. */
  async #banOf(member: string): Promise<Uint8Array | undefined> {
    const { ledger } = this.#init
    const place = ledger.authority.banOf(member)
    return place && (await ledger.read(place.author, place.seq, place.seq, ENTRY_BYTES_MAX))[0]
  }
}
