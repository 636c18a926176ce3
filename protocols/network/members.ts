/** The table of who is here. Pure but for the injected clock: beats in, members out. */
import { dropOldest } from '#protocols/bounded'
import type { Clock, Role } from '#protocols/lifecycle'
import type { Envelope, HeardBeat } from './beats.ts'
import { type Digest, encodeDigest, lacks } from './digest.ts'
import { MEMBER_EXPIRY_MS, MEMBERS_MAX, STRANGERS_MAX } from './limits.ts'
import type { Traits } from '#protocols/traits'
import type { Member, MemberJudge, Members, Peer } from './network.ts'

export type LeaveReason = 'expired' | 'left' | 'dead'

export interface MemberTableInit {
  /** This node: never a member of its own table. */
  self: Peer
  clock: Clock
  onJoin?: (member: Member) => void
  onLeave?: (member: Member, reason: LeaveReason) => void
}

/** A member's beat as it is handed on. */
export interface Handed {
  peer: Peer
  ageMs: number
  envelope: Envelope
}

interface Gone {
  /** Of its last beat. */
  at: number
  /** Local time. */
  since: number
  reason: LeaveReason
}

interface Row {
  member: Member
  /** What its beats say; the member has those that it may have. */
  named: readonly Role[]
  at: number
  envelope: Envelope
}

/** How long the last beat of a member that is gone is remembered, so that handing it on again does not bring the member back. */
const GONE_MS = 60_000
/** And how long others are told that it is dead: after this they have forgotten it by themselves. */
const DEAD_MS = MEMBER_EXPIRY_MS

export class MemberTable implements Members {
  readonly #self: Peer
  readonly #clock: Clock
  readonly #onJoin: (member: Member) => void
  readonly #onLeave: (member: Member, reason: LeaveReason) => void
  readonly #rows = new Map<Peer, Row>()
  readonly #gone = new Map<Peer, Gone>()
  readonly #connected = new Set<Peer>()
  readonly #listeners = new Set<() => void>()
  readonly #byRole = new Map<Role, readonly Member[]>()
  readonly #naming = new Map<Role, readonly Member[]>()
  #judge: MemberJudge | undefined
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

  naming(role: Role): readonly Member[] {
    let members = this.#naming.get(role)
    if (members === undefined) {
      members = [...this.#rows.values()].filter((row) => row.named.includes(role)).map((row) => row.member)
      this.#naming.set(role, members)
    }
    return members
  }

  /** From now on members have those of their roles that the judge allows. */
  judgeBy(judge: MemberJudge): void {
    this.#judge = judge
    this.judge()
  }

  /** Judges everybody again. */
  judge(): void {
    if (this.#judge === undefined) return
    let changed = false
    for (const { member, named } of this.#rows.values()) {
      const roles = this.#allowed(member.peer, named)
      if (sameList(member.roles, roles)) continue
      member.roles = roles
      changed = true
    }
    if (changed) this.#changed()
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
    // Said before it was found dead, and heard of only now.
    const gone = this.#gone.get(peer)
    if (ageMs > 0 && gone?.reason === 'dead' && seenAt <= gone.since) return false
    const row = this.#rows.get(peer)
    const roles = this.#allowed(peer, beat.roles)
    const named = beat.roles
    if (row === undefined)
      return this.#join({ member: { ...beat, roles, peer, seenAt, connected: this.#connected.has(peer) }, named, at, envelope })
    const { member } = row
    const changed =
      !sameList(member.roles, roles) ||
      !sameList(row.named, named) ||
      !sameList(member.addresses, beat.addresses) ||
      !sameTraits(member, beat)
    Object.assign(row, { at, envelope, named })
    Object.assign(member, beat, { roles, seenAt })
    if (beat.http === undefined) delete member.http
    if (beat.labels === undefined) delete member.labels
    if (beat.region === undefined) delete member.region
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

  /** Forgets members that have been silent for too long. For `deafMs` until now this node could hear nobody: what came meanwhile is not read yet. */
  expire(deafMs = 0): void {
    const now = this.#clock.monotonic()
    for (const [peer, row] of this.#rows) if (now - row.member.seenAt - deafMs >= MEMBER_EXPIRY_MS) this.#forget(peer, 'expired')
    for (const [peer, { since }] of this.#gone) if (now - since >= GONE_MS) this.#gone.delete(peer)
  }

  /** Whom this node knows, and how lately. */
  digest(): Uint8Array {
    return encodeDigest([...this.#rows].map(([peer, { at }]) => [peer, at] as const))
  }

  /** What was signed and somebody else lacks, with the age of each. */
  handOut(known: Digest): Handed[] {
    const now = this.#clock.monotonic()
    const missing = [...this.#rows].filter(([peer, { at }]) => lacks(known, peer, at))
    return missing.map(([peer, { member, envelope }]) => ({ peer, ageMs: Math.max(0, Math.round(now - member.seenAt)), envelope }))
  }

  /** Members that were found dead a moment ago and that somebody else still knows by no later beat; at most `max`, the last found first. */
  dead(known: Digest, max: number): Peer[] {
    const now = this.#clock.monotonic()
    const dead = [...this.#gone].filter(([, { reason, since }]) => reason === 'dead' && now - since < DEAD_MS)
    const believed = dead.filter(([peer, { at }]) => lacks(known, peer, at + 1) && !lacks(known, peer, 0))
    return believed.map(([peer]) => peer).slice(-max)
  }

  #allowed(peer: Peer, named: readonly Role[]): Role[] {
    const allowed = this.#judge?.(peer)
    return allowed === undefined ? [...named] : named.filter((role) => allowed.has(role))
  }

  /** Strangers take no place from whoever was let in. */
  #makeRoom({ member }: Row): boolean {
    if (this.#judge === undefined) return this.#rows.size < MEMBERS_MAX
    const strangers = [...this.#rows.values()].filter((row) => row.member.roles.length === 0)
    if (member.roles.length === 0) return strangers.length < STRANGERS_MAX && this.#rows.size < MEMBERS_MAX
    const [stranger] = strangers
    if (this.#rows.size < MEMBERS_MAX) return true
    if (stranger !== undefined) this.#forget(stranger.member.peer, 'expired')
    return stranger !== undefined
  }

  #join(row: Row): boolean {
    if (!this.#makeRoom(row)) return false
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
    this.#gone.set(peer, { at: last, since: this.#clock.monotonic(), reason })
    if (row === undefined) return
    this.#rows.delete(peer)
    this.#changed()
    this.#onLeave(row.member, reason)
  }

  #changed(): void {
    this.#list = undefined
    this.#byRole.clear()
    this.#naming.clear()
    for (const listener of [...this.#listeners]) listener()
  }
}

function sameTraits(a: Traits, b: Traits): boolean {
  if (a.region !== b.region) return false
  const [mine, its] = [Object.entries(a.labels ?? {}), b.labels ?? {}]
  return mine.length === Object.keys(its).length && mine.every(([name, value]) => its[name] === value)
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index])
}
