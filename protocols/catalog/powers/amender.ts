/** Changes to who may do what: judged here for whoever asks, written here or by a member that holds what it takes. */
import type { Access, Principal } from '#protocols/access'
import { decodeAs, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'
import { assertQuota } from '#protocols/quota'
import type { AuthorityChange, Powers, Receipt, WriteOptions } from '../catalog.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Requester, requesterOf } from '../ledger/asker.ts'
import { adminOn, needsOfSetting } from '../ledger/authority-rules.ts'
import { PINS_MAX, type BodyOf } from '../ledger/bodies.ts'
import { changeSchema, receiptSchema } from '../messages.ts'
import { mayNot, passOn } from '../passing-on.ts'
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

  /** `mayPassOn`: whether another member may be asked to write it. */
  async amend(change: AuthorityChange, options: WriteOptions, mayPassOn: boolean): Promise<Receipt> {
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
    if (!mayPassOn) throw mayNot(fault)
    const head = await passOn(this.#init, { type: 'amend', change: checked, ...options, passedOn: true }, options.timeoutMs, fault)
    return decodeAs(receiptSchema, head, 'the answer to amend')
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

  #assertNotOver(change: AuthorityChange): void {
    if (change.type !== 'grant' || change.expiresAtMs === null || change.expiresAtMs > this.#init.clock.now()) return
    throw new OsirisError(
      'invalid_argument',
      `Cannot give the grant: it ended at ${new Date(change.expiresAtMs).toISOString()}, before it is given`,
    )
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
