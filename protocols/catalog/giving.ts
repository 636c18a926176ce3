/** Giving on: a person's key is replaced by one that the same person made. Both have signed; the root writes it down, since people have no feeds. */
import { decodeAs } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'
import type { Giving, Rotated, WriteOptions } from './catalog.ts'
import type { LedgerAuthority } from './ledger/authority.ts'
import { isAgreed, isGiven } from './ledger/authority-facts.ts'
import type { Successor } from './ledger/authority-keys.ts'
import type { Entry, Place } from './ledger/entry.ts'
import type { Ledger } from './ledger/ledger.ts'
import { Locks } from './locks.ts'
import { rotatedSchema } from './messages.ts'
import { mayNot, passOn } from './passing-on.ts'
import type { Replication } from './replication.ts'
import type { Writer } from './writer.ts'

export interface GivingDeskInit {
  ledger: Ledger
  writer: Pick<Writer, 'acknowledge'>
  network: Pick<Network, 'request'>
  replication: Replication
  clock: Clock
}

const ACT = 'Cannot give on the key'

/** Why a key is not given on, by what the ledger here says; nothing where it is. Pure. */
export function faultOfGiving(
  authority: LedgerAuthority,
  { from, to }: Pick<Giving, 'from' | 'to'>,
  nowMs: number,
): OsirisError | undefined {
  const { keys } = authority.verdict
  const refuse = (code: OsirisError['code'], state: string) => new OsirisError(code, `${ACT} ${from.slice(0, 8)}: ${state}`)
  const successor = keys.successors.get(from)
  if (keys.top.has(from))
    return refuse('invalid_argument', 'it is one of the keys above all others: osiris key rotate, or osiris key recover')
  if (successor !== undefined)
    return refuse('conflict', `it was given on to ${successor.to} before; unless that was you, whoever gave you your rights can end them`)
  if (authority.hasEnded(from)) return refuse('forbidden', 'it is banned or frozen')
  if (authority.isMember(from, nowMs)) return refuse('invalid_argument', "it is a node's, which rotates it itself: osiris node rotate")
  if (authority.grantsOf(from, nowMs).length === 0)
    return refuse('not_found', 'it holds nothing in this universe that could go to another one')
  const isUsed = keys.top.has(to) || keys.successors.has(to) || authority.hasEnded(to) || authority.grantsOf(to, nowMs).length > 0
  return isUsed || from === to ? refuse('invalid_argument', `${to.slice(0, 8)} is or was in use; make a new key`) : undefined
}

export class GivingDesk {
  readonly #init: GivingDeskInit
  readonly #locks = new Locks()

  constructor(init: GivingDeskInit) {
    this.#init = init
  }

  /** As `SuccessionDoor.give`; `mayPassOn`: whether another member may be asked to write it. */
  async give(giving: Giving, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>, mayPassOn: boolean): Promise<Rotated> {
    const { from, to } = giving
    this.#assertSigned(giving)
    const before = this.#before(giving)
    if (before !== undefined) return this.#told(giving, before, false, options)
    const missing = this.#init.ledger.faultOfSigning('rotate', this.#bodyOf(giving))
    if (missing === undefined) return this.#locks.run([from], () => this.#write(giving, options))
    if (!mayPassOn) throw mayNot(missing)
    const head = await passOn(this.#init, { type: 'give', ...giving, ...options, passedOn: true }, options.timeoutMs, missing)
    const rotated = decodeAs(rotatedSchema, head, 'the answer to a rotation')
    if (rotated.from === from && rotated.to === to) return rotated
    throw new OsirisError('unavailable', `${ACT} ${from.slice(0, 8)}: the member that was asked answered about another one`)
  }

  async #write(giving: Giving, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>): Promise<Rotated> {
    const { ledger, clock } = this.#init
    // Two may have come at once.
    const before = this.#before(giving)
    if (before !== undefined) return this.#told(giving, before, false, options)
    const asker = ledger.authority.askerOf(giving.from, [], clock.now())
    const by = `key ${giving.from.slice(0, 16)}`
    const entry = await ledger.append('rotate', this.#bodyOf(giving), { by, ...(asker === undefined ? {} : { asker }) })
    return this.#told(giving, entry, true, options)
  }

  async #told(
    { from, to }: Giving,
    place: Entry | Place,
    changed: boolean,
    options: Pick<WriteOptions, 'ack' | 'timeoutMs'>,
  ): Promise<Rotated> {
    return { from, to, changed, receipt: await this.#init.writer.acknowledge(place, options) }
  }

  /** The rotation, where it is asked for a second time; nothing where it may be written now. Throws what stands against it. */
  #before(giving: Giving): Place | undefined {
    const { from, to } = giving
    const successor: Successor | undefined = this.#authority.verdict.keys.successors.get(from)
    if (successor?.to === to) return successor.place
    const fault = faultOfGiving(this.#authority, giving, this.#init.clock.now())
    if (fault !== undefined) throw fault
    return undefined
  }

  #assertSigned(giving: Giving): void {
    const { universe } = this.#init.ledger
    const fault = !isGiven(giving, universe)
      ? `what it comes with is not the signature of ${giving.from.slice(0, 8)}`
      : !isAgreed(giving, universe)
        ? `what it comes with is not the signature of ${giving.to.slice(0, 8)}, which is to take over`
        : undefined
    if (fault !== undefined) throw new OsirisError('invalid_argument', `${ACT} ${giving.from.slice(0, 8)}: ${fault}, for this universe`)
  }

  /** Of a key without a feed nothing counts from then on, nor did before. */
  #bodyOf({ from, to, proof, given }: Giving) {
    return { from, to, seq: this.#init.ledger.tip(from).seq, proof, given }
  }

  get #authority(): LedgerAuthority {
    return this.#init.ledger.authority
  }
}
