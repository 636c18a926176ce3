/** Changes to who may do what: judged here for whoever asks, written here or by a member that holds what it takes. */
import type { Access, Principal } from '#protocols/access'
import { decodeAs, encode, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { assertQuota } from '#protocols/quota'
import type { AuthorityChange, Powers, Receipt, WriteOptions } from '../catalog.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Requester, requesterOf } from '../ledger/asker.ts'
import { adminOn, needsOfSetting } from '../ledger/authority-rules.ts'
import { PINS_MAX, type BodyOf } from '../ledger/bodies.ts'
import { changeSchema, PROTOCOL, receiptSchema } from '../messages.ts'
import { assertMayAmend } from './powers.ts'
import type { Replication } from '../replication.ts'
import type { Writer } from '../writer.ts'

export interface AmenderInit {
  ledger: Ledger
  writer: Writer
  replication: Replication
  network: Network
  access: Access
  clock: Clock
}

/** Members asked for one change; whoever holds the root key is among the first few in most universes. */
const ASKED_MAX = 16
/** What a member is given beyond its own waiting for receipts. */
const GRACE_MS = 1000
/** How long what another member wrote is fetched before the answer. */
const PULL_MS = 500

type Written = {
  type: 'namespace' | 'grant' | 'revoke' | 'cancel' | 'setting'
  body: BodyOf<'setting'> | BodyOf<'namespace'> | BodyOf<'grant'> | BodyOf<'revoke'> | BodyOf<'cancel'>
}

export class Amender {
  readonly #init: AmenderInit

  constructor(init: AmenderInit) {
    this.#init = init
  }

  powers(): Powers {
    const { ledger, clock } = this.#init
    return { namespaces: [...ledger.authority.namespaces()], grants: ledger.authority.records(clock.now()) }
  }

  /** `passOn`: whether another member may be asked to write it. */
  async amend(change: AuthorityChange, options: WriteOptions, passOn: boolean): Promise<Receipt> {
    const { access, ledger, clock } = this.#init
    const checked = parse(changeSchema, change, 'the change')
    const principal = await access.principalOf(options.caller)
    const isTop = principal.issuer !== undefined && ledger.authority.standingFor(principal.issuer, 'admin', '*', clock.now()) === null
    assertMayAmend(checked, principal, isTop, this.powers())
    if (checked.type === 'set' && checked.key === 'quota' && checked.value !== null) assertQuota(checked.value)
    this.#assertNotOver(checked)
    const { type, body } = this.#entryOf(checked, isTop ? undefined : principal)
    const fault = ledger.faultOfSigning(type, body)
    if (fault === undefined) return this.#write(checked, { type, body }, principal, options)
    if (!passOn) throw new OsirisError(fault.code, fault.message, { details: { standing: false } })
    return this.#passOn(checked, options, fault)
  }

  async #write(change: AuthorityChange, { type, body }: Written, principal: Principal, options: WriteOptions): Promise<Receipt> {
    const { ack, timeoutMs } = options
    const receipt = await this.#init.writer.record(type, body, { ack, timeoutMs, ...this.#requester(change, principal) })
    if (change.type !== 'create' && change.type !== 'transfer') return receipt
    const owner = this.powers().namespaces.find((each) => each.namespace === change.namespace)?.owner
    if (owner === change.owner) return receipt
    throw new OsirisError('conflict', `Cannot give namespace "${change.namespace}" away: at the same time it went to ${owner ?? 'nobody'}`)
  }

  /** For what is given, the key that held it; for what is ended, any grant of it. */
  #requester(change: AuthorityChange, principal: Principal): Requester {
    const { ledger, clock } = this.#init
    if (change.type === 'set') return requesterOf(principal, needsOfSetting(change), ledger.authority, clock.now())
    const namespaces = change.type === 'grant' ? change.namespaces : 'namespace' in change ? [change.namespace] : []
    return requesterOf(principal, adminOn(namespaces), ledger.authority, clock.now())
  }

  /** One member after the other until one holds what it takes; each judges the caller again. */
  async #passOn(change: AuthorityChange, options: WriteOptions, fault: OsirisError): Promise<Receipt> {
    const { network, replication } = this.#init
    const head = encode({ type: 'amend', change, ...options, passedOn: true })
    let failure = fault
    for (const peer of replication.others().slice(0, ASKED_MAX)) {
      try {
        const answer = await network.request(peer, PROTOCOL, { head }, { timeoutMs: options.timeoutMs + GRACE_MS })
        await this.#fetchFrom(peer)
        return decodeAs(receiptSchema, answer.head, 'the answer to amend')
      } catch (error) {
        const known = OsirisError.from(error, 'Cannot change who may do what', 'unavailable')
        const goesOn = known.code === 'unavailable' || known.details?.['standing'] === false
        if (!goesOn) throw known
        if (known.code === 'unavailable') failure = known
      }
    }
    throw failure
  }

  #assertNotOver(change: AuthorityChange): void {
    if (change.type !== 'grant' || change.expiresAtMs === null || change.expiresAtMs > this.#init.clock.now()) return
    throw new OsirisError(
      'invalid_argument',
      `Cannot give the grant: it ended at ${new Date(change.expiresAtMs).toISOString()}, before it is given`,
    )
  }

  /** So that whoever asked sees the change where they asked for it. */
  async #fetchFrom(peer: Peer): Promise<void> {
    await this.#init.replication.pull(peer, PULL_MS).catch(() => false)
  }

  /** `giver`: whoever asks, unless it is the root. */
  #entryOf(change: AuthorityChange, giver: Principal | undefined): Written {
    if (change.type === 'grant') {
      const { subject, can, namespaces, expiresAtMs } = change
      return { type: 'grant', body: { subject, can, namespaces, expiresAtMs, ...this.#under(giver, namespaces, expiresAtMs) } }
    }
    if (change.type === 'revoke') {
      const key = this.powers().grants.find((each) => each.hash === change.grant)?.key
      return { type: 'revoke', body: { grant: change.grant, pins: this.#pinsFor(key) } }
    }
    if (change.type === 'set') return { type: 'setting', body: { namespace: change.namespace, key: change.key, value: change.value } }
    if (change.type === 'cancel') return { type: 'cancel', body: { issuer: change.issuer, token: change.token } }
    const { namespace, owner } = change
    const former = this.#init.ledger.authority.ownershipOf(namespace)
    if (former === undefined)
      return { type: 'namespace', body: { namespace, owner, of: null, pins: [], ...this.#under(giver, [namespace], null) } }
    // Who hands on what is theirs leaves it where it stood: it does not end with them.
    const isOwn = former.key === giver?.issuer
    const under = !isOwn ? this.#under(giver, [namespace], null) : former.under === null ? {} : { under: former.under }
    return { type: 'namespace', body: { namespace, owner, of: former.hash, pins: this.#pinsFor(former.key), ...under } }
  }

  /** The grant of theirs that covers what they give: it ends with that. Throws `forbidden` where it takes several. */
  #under(giver: Principal | undefined, namespaces: readonly string[], expiresAtMs: number | null): { under?: string } {
    if (giver?.issuer === undefined) return {}
    const { ledger, clock } = this.#init
    const under = ledger.authority.holdingOf(giver.issuer, adminOn(namespaces), expiresAtMs, clock.now())
    if (under !== undefined) return { under }
    throw new OsirisError(
      'forbidden',
      `Cannot give ${namespaces.join(', ')}: "${giver.subject}" holds "admin" there by several grants, and what is given ends with one; give them one at a time`,
    )
  }

  /** What was written so far stays valid: of the key that loses the grant, and of as many others as fit. */
  #pinsFor(key: string | undefined): BodyOf<'revoke'>['pins'] {
    const heads = this.#init.ledger.heads().toSorted((a, b) => Number(b.author === key) - Number(a.author === key))
    return heads.slice(0, PINS_MAX).map(({ author, seq }) => ({ author, seq }))
  }
}
