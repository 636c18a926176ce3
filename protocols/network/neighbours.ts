/** Which connections this node keeps by itself: members it hears of, and the way back when it lost everybody. */
import { dropOldest } from '#protocols/bounded'
import type { Clock, Random } from '#protocols/lifecycle'
import { fromAnywhere } from './crowd.ts'
import { CONNECTIONS_EAGER, CONNECTIONS_PACE_MS, CONNECTIONS_TARGET, CONNECTIONS_TARGET_ROLELESS } from './limits.ts'
import type { Member, Members, Peer } from './network.ts'
import { peerInAddress } from './peer.ts'
import type { Transport } from './transport.ts'

/** Addresses a node remembers, so that it finds the mesh again without its bootstrap peers. */
export interface KnownPeers {
  load(): Promise<string[]>
  save(addresses: string[]): Promise<void>
}

export interface NeighboursInit {
  transport: Transport
  members: Members
  clock: Clock
  random: Random
  bootstrap: readonly string[]
  storage: KnownPeers | undefined
  roleless: () => boolean
  onError: (error: unknown) => void
}

/** Nobody waits for these dials; on a machine short of processor, giving up early would only waste what was done. */
const DIAL_TIMEOUT_MS = 10_000
const BACKOFF_MS = { first: 250, most: 5_000 }
/** Members that fell silent, and those remembered from before this start, are tried again for this long: after a partition both halves have neighbours and neither is alone. */
const LOST_MS = 10 * 60_000
const REMEMBERED_MAX = 64
const SAVE_EVERY_MS = 1_000

export class Neighbours {
  readonly #init: NeighboursInit
  /** By peer, or by an address that names none. */
  readonly #lost = new Map<string, { addresses: string[]; since: number }>()
  readonly #tries = new Map<string, { failures: number; nextAt: number; busy: boolean }>()
  /** Members being dialled now. */
  #meeting = 0
  /** From when on one more is dialled, where there are enough to begin with. */
  #nextAt = 0
  #known: string[] = []
  #saveAt = 0
  #unsaved = false
  /** One at a time: on a disk that is slow the next one would meet it. */
  #saving: Promise<void> | undefined
  #stopped = true

  constructor(init: NeighboursInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    this.#stopped = false
    try {
      this.#known = (await this.#init.storage?.load()) ?? []
      // Who starts later than this node may know nobody's address any more: then only those it knew can find it.
      for (const address of this.#known) this.#miss(peerInAddress(address) ?? address, [address])
    } catch (error) {
      this.#init.onError(error)
    }
    this.round()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#saving
    await this.#save()
  }

  joined(member: Member): void {
    this.#lost.delete(member.peer)
    this.#unsaved = true
    // The lower of two dials at once; the higher gives it until the next round, so that they do not cross.
    if (this.#init.transport.peer < member.peer) this.#meet([member])
  }

  /** The member fell silent without a goodbye. */
  lost(member: Member): void {
    this.#miss(member.peer, member.addresses)
  }

  /** Once a second: dials whom it should know and does not. */
  round(): void {
    if (this.#stopped) return
    const now = this.#init.clock.monotonic()
    for (const [key, { busy, nextAt }] of this.#tries) if (!busy && now - nextAt > LOST_MS) this.#tries.delete(key)
    for (const [peer, { since }] of this.#lost) if (now - since > LOST_MS) this.#lost.delete(peer)
    this.#meet(this.#candidates())
    this.#return()
    if (this.#unsaved && now >= this.#saveAt) void this.#save()
  }

  /** Strangers come last: they do not keep this node from whoever is in. */
  #candidates(): Member[] {
    const { members, random } = this.#init
    return fromAnywhere(members.list(), random).toSorted((a, b) => Number(a.roles.length === 0) - Number(b.roles.length === 0))
  }

  #meet(members: readonly Member[]): void {
    const now = this.#init.clock.monotonic()
    const target = this.#init.roleless() ? CONNECTIONS_TARGET_ROLELESS : CONNECTIONS_TARGET
    let room = roomFor({ connections: this.#near(), dialling: this.#meeting, target, isDue: now >= this.#nextAt })
    for (const { connected, peer, addresses } of members) {
      if (room <= 0) return
      if (connected || addresses.length === 0 || !this.#isDue(peer)) continue
      room--
      this.#meeting++
      this.#nextAt = now + CONNECTIONS_PACE_MS
      void this.#try(peer, () => this.#init.transport.connect(peer, addresses, { timeoutMs: DIAL_TIMEOUT_MS })).finally(
        () => this.#meeting--,
      )
    }
  }

  /** Clients and strangers do not take the place of members. */
  #near(): number {
    if (this.#init.roleless()) return this.#init.transport.connections().length
    return this.#init.members.list().filter(({ connected, roles }) => connected && roles.length > 0).length
  }

  #return(): void {
    const connected = new Set<Peer>(this.#init.transport.connections())
    const addresses = [
      ...this.#init.bootstrap,
      ...[...this.#lost.values()].flatMap((each) => each.addresses),
      ...(connected.size === 0 ? this.#known : []),
    ]
    for (const address of new Set(addresses)) {
      const peer = peerInAddress(address)
      if (peer === this.#init.transport.peer || (peer !== undefined && connected.has(peer)) || !this.#isDue(address)) continue
      void this.#try(address, () => this.#init.transport.dial(address, { timeoutMs: DIAL_TIMEOUT_MS }))
    }
  }

  #isDue(key: string): boolean {
    const known = this.#tries.get(key)
    return known === undefined || (!known.busy && this.#init.clock.monotonic() >= known.nextAt)
  }

  #miss(key: string, addresses: readonly string[]): void {
    const before = this.#lost.get(key)?.addresses ?? []
    dropOldest(this.#lost, REMEMBERED_MAX)
    this.#lost.set(key, { addresses: [...new Set([...before, ...addresses])], since: this.#init.clock.monotonic() })
  }

  async #try(key: string, dial: () => Promise<unknown>): Promise<void> {
    const { clock, random } = this.#init
    const failures = this.#tries.get(key)?.failures ?? 0
    this.#tries.set(key, { failures, nextAt: 0, busy: true })
    try {
      await dial()
      this.#tries.delete(key)
    } catch {
      const backoffMs = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** failures) * (0.5 + random() / 2)
      this.#tries.set(key, { failures: Math.min(failures + 1, 16), nextAt: clock.monotonic() + backoffMs, busy: false })
      // Alone, the next try must not wait for the next round.
      if (!this.#stopped && this.#init.transport.connections().length === 0) clock.after(backoffMs, () => this.round())
    }
  }

  async #save(): Promise<void> {
    const { storage, members, clock, onError } = this.#init
    const addresses = members
      .list()
      .flatMap((member) => member.addresses)
      .slice(0, REMEMBERED_MAX)
    if (storage === undefined || this.#saving !== undefined || !this.#unsaved || addresses.length === 0) return
    this.#unsaved = false
    this.#saveAt = clock.monotonic() + SAVE_EVERY_MS
    this.#saving = storage
      .save(addresses)
      .catch(onError)
      .finally(() => (this.#saving = undefined))
    await this.#saving
  }
}

/** How many members to dial now: at once what it takes to begin with, from then on one after the other, each when it is due. Pure. */
export function roomFor(state: { connections: number; dialling: number; target: number; isDue: boolean }): number {
  const { connections, dialling, target, isDue } = state
  const eager = Math.min(CONNECTIONS_EAGER, target) - connections - dialling
  if (eager > 0) return eager
  return isDue && dialling === 0 && connections < target ? 1 : 0
}
