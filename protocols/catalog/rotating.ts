/** Giving on the root: a healthy root's key is replaced, on the running node that holds it, by one that this node makes. `README.md` has the rules. */
import { type Access, allows, type Identity, type Principal } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Rotated, WriteOptions } from './catalog.ts'
import { requesterOf } from './ledger/asker.ts'
import { requireMajority } from './feed-majority.ts'
import { agreeToRotation } from './ledger/authority-facts.ts'
import { ADMIN_EVERYWHERE } from './ledger/authority-rules.ts'
import type { Keys, Successor } from './ledger/authority-keys.ts'
import { placeOf } from './ledger/entry.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { FeedGuard } from './witnesses/feed-guard.ts'
import type { Writer } from './writer.ts'

/** The keys of the root's on this host: whoever keeps them on disk. */
export interface RootKeys {
  /** All that are here, whether they count or not. */
  readonly held: readonly Identity[]
  /**
   * The key that shall take over: on disk, synced, when it resolves. The one that an earlier rotation made and did not come to use, unless `isUsed`.
   * Throws `storage_full`, `unavailable`.
   */
  next(isUsed: (key: string) => boolean): Promise<Identity>
  /** This one holds the root by the ledger on disk here: no later one takes the place of its file. Idempotent. Rejects where it cannot be written. */
  tookOver(key: Identity): Promise<void>
}

export interface RootRotationInit {
  ledger: Ledger
  guard: FeedGuard
  writer: Pick<Writer, 'acknowledge'>
  access: Access
  clock: Clock
  rootKeys?: RootKeys | undefined
  /** Hears when a key could not be put in its place: it counts all the same, and is put there at the next start. */
  onError: (error: unknown) => void
}

const ACT = 'Cannot rotate the root key'

export class RootRotation {
  readonly #init: RootRotationInit
  #running = false

  constructor(init: RootRotationInit) {
    this.#init = init
  }

  /** Puts the key in its place that an earlier process wrote into the ledger, and ended before it could. Never rejects. */
  async settle(): Promise<void> {
    const holder = this.#holder()
    if (holder !== undefined) await this.#tookOver(holder)
  }

  /** As `SuccessionDoor.rotate`. */
  async rotate({ from, caller, ack, timeoutMs }: WriteOptions & { from?: string | undefined }): Promise<Rotated> {
    const principal = await this.#init.access.principalOf(caller)
    this.#permit(principal)
    if (this.#running) throw new OsirisError('conflict', `${ACT}: another rotation is under way on this node`)
    this.#running = true
    try {
      const before = this.#before(from)
      const { to, place } = before ?? (await this.#give(await this.#writable(from), principal))
      const receipt = await this.#init.writer.acknowledge(place, { ack, timeoutMs })
      return { from: place.author, to, changed: before === undefined, receipt }
    } finally {
      this.#running = false
    }
  }

  #permit(principal: Principal): void {
    const { authority } = this.#init.ledger
    if (principal.issuer === undefined) throw new OsirisError('unauthenticated', `${ACT}: no token was sent`)
    if (!authority.isTop(principal.issuer) || !allows(principal, 'admin', '*'))
      throw new OsirisError('forbidden', `${ACT}: only a token that the root signed, with "admin" on "*", may`)
  }

  /** The rotation that a caller asks for a second time. */
  #before(from: string | undefined): Successor | undefined {
    const successor = from === undefined ? undefined : this.#keys.successors.get(from)
    return successor?.place.author === from && successor?.to === this.#holder()?.id ? successor : undefined
  }

  /** The key that holds the root, once nobody else writes with it and all that others have of its feed is here. */
  async #writable(from: string | undefined): Promise<Identity> {
    const { guard } = this.#init
    await guard.ready(this.#init.ledger.author)
    await guard.ready(this.#held(from).id)
    // What the others had to say may have ended it.
    const holder = this.#held(from)
    requireMajority(this.#init, holder.id, ACT)
    return holder
  }

  /** Nobody hears of the new key before it is on disk here: what its owner has lost nobody can make again. */
  async #give(holder: Identity, principal: Principal): Promise<Successor> {
    const { ledger, guard, clock, rootKeys } = this.#init
    if (rootKeys === undefined) throw this.#notHere()
    // Where an earlier rotation could not put it there, its file is the one that the next key goes to.
    await rootKeys.tookOver(holder)
    const next = await rootKeys.next((key) => this.#keys.top.has(key))
    ledger.keyring.hold(next)
    guard.hold(next)
    const requester = requesterOf(principal, ADMIN_EVERYWHERE, ledger.authority, clock.now())
    const body = { from: holder.id, to: next.id, seq: 0, proof: agreeToRotation(next, ledger.universe, holder.id) }
    const entry = await ledger.append('rotate', body, requester)
    if (!ledger.authority.isTop(next.id)) throw this.#lost(holder.id)
    await this.#tookOver(next)
    return { to: next.id, place: placeOf(entry) }
  }

  #held(from: string | undefined): Identity {
    const holder = this.#holder()
    if (holder === undefined) throw this.#notHere()
    if (from === undefined || from === holder.id) return holder
    throw new OsirisError('conflict', `${ACT}: ${from.slice(0, 8)} does not hold the root, ${holder.id.slice(0, 8)} does`)
  }

  /** The root's key that counts, where it is here. The recovery key is on no node. */
  #holder(): Identity | undefined {
    const { ledger } = this.#init
    const holder = this.#keys.holderOf(ledger.root)
    return ledger.keyring.roots.find(({ id }) => id === holder)
  }

  #notHere(): OsirisError {
    const key = this.#init.ledger.keyring.roots.at(-1)?.id
    if (key !== undefined) return this.#lost(key)
    return new OsirisError(
      'forbidden',
      `${ACT}: this node does not hold it; ask the one that does (root.key or successor.key lies in its data directory)`,
    )
  }

  #lost(key: string): OsirisError {
    const to = this.#keys.successors.get(key)?.to
    const state = to === undefined ? 'it wrote two entries in one place and is frozen' : `it was given on to ${to}, which is not here`
    return new OsirisError(
      'conflict',
      `${ACT}: ${key.slice(0, 8)} holds the root no more, ${state}; unless that was you: osiris key recover`,
    )
  }

  get #keys(): Keys {
    return this.#init.ledger.authority.verdict.keys
  }

  async #tookOver(key: Identity): Promise<void> {
    await this.#init.rootKeys?.tookOver(key).catch((error: unknown) => this.#init.onError(error))
  }
}

/** Keys that stay where they are: none is made here. */
export function fixedRootKeys(...held: readonly Identity[]): RootKeys {
  const nowhere = new OsirisError('unavailable', `${ACT}: this node has nowhere to keep a new one`)
  return { held, next: () => Promise.reject(nowhere), tookOver: () => Promise.resolve() }
}
