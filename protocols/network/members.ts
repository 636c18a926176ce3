/** The table of who is here. Pure but for the injected clock: beats in, members out. */
import { dropOldest } from '#protocols/bounded'
import type { Clock, Role } from '#protocols/lifecycle'
import type { Envelope, HeardBeat } from './beats.ts'
import { MEMBER_EXPIRY_MS, MEMBERS_MAX } from './limits.ts'
import type { Member, Members, Peer } from './network.ts'

export type LeaveReason = 'expired' | 'left' | 'dead'

export interface MemberTableInit {
  /** This node: never a member of its own table. */
  self: Peer
  clock: Clock
  onJoin?: (member: Member) => void
  onLeave?: (member: Member, reason: LeaveReason) => void
}

interface Row {
  member: Member
  at: number
  envelope: Envelope
}

/** How long the last beat of a member that is gone is remembered, so that handing it on again does not bring the member back. */
const GONE_MS = 60_000

export class MemberTable implements Members {
  readonly #self: Peer
  readonly #clock: Clock
  readonly #onJoin: (member: Member) => void
  readonly #onLeave: (member: Member, reason: LeaveReason) => void
  readonly #rows = new Map<Peer, Row>()
  readonly #gone = new Map<Peer, { at: number; since: number }>()
  readonly #connected = new Set<Peer>()
  readonly #listeners = new Set<() => void>()
  readonly #byRole = new Map<Role, readonly Member[]>()
  #list: readonly Member[] | undefined

  constructor(init: MemberTableInit) {
    this.#self = init.self
    this.#clock = init.clock
    this.#onJoin = init.onJoin ?? (() => {})
    this.#onLeave = init.onLeave ?? (() => {})
  }

  list(): readonly Member[] {
    return (this.#list ??= [...this.#rows.values()].map((row) => row.member))
  }

  get(peer: Peer): Member | undefined {
    return this.#rows.get(peer)?.member
  }

  withRole(role: Role): readonly Member[] {
    let members = this.#byRole.get(role)
    if (members === undefined) this.#byRole.set(role, (members = this.list().filter((member) => member.roles.includes(role))))
    return members
  }

  onChange(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Whether a beat of this peer with this time would tell anything new: asked before its signature is checked. */
  isNews(peer: Peer, at: number): boolean {
    if (peer === this.#self) return false
    const known = this.#rows.get(peer)?.at ?? this.#gone.get(peer)?.at
    return known === undefined || at > known
  }

  /** Takes in a beat whose sender is proven, `ageMs` after it was sent. Returns whether it was news. */
  hear(peer: Peer, { beat, at, left, envelope }: HeardBeat, ageMs = 0): boolean {
    if (!this.isNews(peer, at)) return false
    if (left) {
      this.#forget(peer, 'left', at)
      return true
    }
    if (ageMs >= MEMBER_EXPIRY_MS) return false
    const seenAt = this.#clock.monotonic() - ageMs
    const row = this.#rows.get(peer)
    if (row === undefined) return this.#join({ member: { ...beat, peer, seenAt, connected: this.#connected.has(peer) }, at, envelope })
    const changed = !sameList(row.member.roles, beat.roles) || !sameList(row.member.addresses, beat.addresses)
    row.at = at
    row.envelope = envelope
    Object.assign(row.member, beat, { seenAt })
    if (beat.http === undefined) delete row.member.http
    if (changed) this.#changed()
    return true
  }

  setConnected(peer: Peer, connected: boolean): void {
    if (connected) this.#connected.add(peer)
    else this.#connected.delete(peer)
    const row = this.#rows.get(peer)
    if (row !== undefined) row.member.connected = connected
  }

  /** Nobody can reach it any more; it comes back with its next beat. */
  bury(peer: Peer): void {
    this.#forget(peer, 'dead')
  }

  /** Forgets members that have been silent for too long. */
  expire(): void {
    const now = this.#clock.monotonic()
    for (const [peer, row] of this.#rows) if (now - row.member.seenAt >= MEMBER_EXPIRY_MS) this.#forget(peer, 'expired')
    for (const [peer, { since }] of this.#gone) if (now - since >= GONE_MS) this.#gone.delete(peer)
  }

  /** What was signed, to be handed to a newcomer, with the age of each. */
  handOut(): { peer: Peer; ageMs: number; envelope: Envelope }[] {
    const now = this.#clock.monotonic()
    return [...this.#rows].map(([peer, row]) => ({ peer, ageMs: Math.max(0, Math.round(now - row.member.seenAt)), envelope: row.envelope }))
  }

  #join(row: Row): boolean {
    if (this.#rows.size >= MEMBERS_MAX) return false
    this.#gone.delete(row.member.peer)
    this.#rows.set(row.member.peer, row)
    this.#changed()
    this.#onJoin(row.member)
    return true
  }

  #forget(peer: Peer, reason: LeaveReason, at?: number): void {
    const row = this.#rows.get(peer)
    const last = Math.max(at ?? 0, row?.at ?? 0)
    dropOldest(this.#gone, MEMBERS_MAX)
    this.#gone.set(peer, { at: last, since: this.#clock.monotonic() })
    if (row === undefined) return
    this.#rows.delete(peer)
    this.#changed()
    this.#onLeave(row.member, reason)
  }

  #changed(): void {
    this.#list = undefined
    this.#byRole.clear()
    for (const listener of [...this.#listeners]) listener()
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index])
}
