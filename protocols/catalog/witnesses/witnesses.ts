/**
 * Before this node writes, the other catalogs say how far its own feed goes and that no other process is writing to it: a disk that was deleted, set
 * back to an old copy or copied onto a second machine would otherwise make the node sign two entries with one seq (THREATS.md 2, "rollback").
 *
 * At the first write of a process all of them are asked. A majority is waited for; after a second those count that answered, and of these a majority
 * must agree. Entries that they have and this node lacks are fetched first.
 * From then on the lease is renewed once a second while it writes; when nobody can be reached any more it goes on, because a copy that cannot be
 * reached either is one that only a proof afterwards can deal with.
 */
import { OsirisError } from '#protocols/errors'
import type { Clock, MaybePromise, Random } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'
import type { FeedEnd } from '../ledger/feeds.ts'

/** How long a lease counts here. */
export const LEASE_MS = 1000
/** How long it counts at the witnesses: whatever was written under it has reached them, or they fetch it, before another process gets it. */
export const LEASE_HELD_MS = 2 * LEASE_MS
/** For one round of questions. */
const ASK_MS = 1000
/** The same when a round succeeded before: who does not answer then was cut off lately, and the write goes on without. */
const RENEW_MS = 300
/** What the slower witnesses are given once a majority has answered. */
const REST_MS = 100
const AGAIN_MS = 50
/** Witnesses whose whole ledger is fetched before the first write. */
const PULLS_MAX = 3

export interface Claim {
  /** The running process, among all that may have the key. */
  instance: string
  /** 0: only asks, and gives up what it has. */
  leaseMs: number
}

/** What another catalog says about this node's feed; where it says other than what is here, the entry itself has shown it. */
export interface Testimony extends FeedEnd {
  granted: boolean
  waitMs: number
}

export interface WitnessesInit {
  /** The feed that this node writes to, as far as it is here. */
  feed: { seq: () => number; hashAt: (seq: number) => string | undefined }
  /** `this node`, `the root`: for sentences. */
  whose: string
  /** Members with the catalog role. */
  others: () => readonly Peer[]
  /** Whether the ledger knows of other catalogs, so that being alone is not the usual state. */
  namesOthers: () => boolean
  /** Throws for what is no testimony: nobody can say that there is more of a feed than its author signed. */
  ask: (peer: Peer, claim: Claim, timeoutMs: number) => Promise<Testimony>
  /** The word of this node itself, where it is a witness of the feed like the others: of two that ask at once neither could have most of them otherwise. */
  here?: (claim: Claim) => Pick<Testimony, 'granted' | 'waitMs'>
  /** Gets what the peer has and we lack, or proves that it has another branch. */
  pull: (peer: Peer) => Promise<unknown>
  clock: Clock
  random: Random
  /** Until the write is refused. Must outlast the lease that a killed process left behind. */
  consultMs: number
}

interface Round {
  asked: number
  here: Pick<Testimony, 'granted' | 'waitMs'> | undefined
  /** Are there, and cannot say anything yet. */
  early: number
  answers: { peer: Peer; testimony: Testimony }[]
}

export class Witnesses {
  readonly #init: WitnessesInit
  /** This process, among all that may have this node's key. */
  readonly #instance: string
  #consulted = false
  #preparing = false
  #untilMs = Number.NEGATIVE_INFINITY
  #grantedBy = 0
  #running: Promise<void> | undefined

  constructor(init: WitnessesInit) {
    this.#init = init
    this.#instance = Array.from({ length: 4 }, () => Math.floor(init.random() * 2 ** 32).toString(16)).join('-')
  }

  /** Returns when this node may write. Throws `unavailable` with the reason. */
  ready(): MaybePromise<void> {
    const { clock, others, namesOthers } = this.#init
    if (clock.monotonic() < this.#untilMs) return undefined
    if (others().length === 0 && (this.#consulted || !namesOthers())) return undefined
    this.#running ??= this.#consult(LEASE_HELD_MS).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** How many others granted the lease that runs now; 0 where none does. */
  get grantedBy(): number {
    return this.#init.clock.monotonic() < this.#untilMs ? this.#grantedBy : 0
  }

  /** Asks ahead of the first write, so that it need not wait. Never rejects. */
  async prepare(): Promise<void> {
    if (this.#consulted || this.#preparing || this.#init.others().length === 0) return
    this.#preparing = true
    await this.#consult(0).catch(() => {})
    this.#preparing = false
  }

  /** Lets the next process with this key write at once. Never rejects. */
  async release(): Promise<void> {
    if (this.#init.clock.monotonic() >= this.#untilMs) return
    this.#untilMs = Number.NEGATIVE_INFINITY
    await this.#ask(this.#init.others(), 0)
  }

  async #consult(leaseMs: number): Promise<void> {
    const { clock, others, random, consultMs } = this.#init
    const endMs = clock.monotonic() + consultMs
    for (;;) {
      const fromMs = clock.monotonic()
      const round = await this.#ask(others(), leaseMs)
      const trouble = (await this.#catchUp(round)) ?? this.#verdict(round)
      if (trouble === undefined) {
        if (round.answers.length > 0) this.#consulted = true
        if (leaseMs > 0) this.#untilMs = fromMs + LEASE_MS
        if (leaseMs > 0) this.#grantedBy = round.answers.filter(({ testimony }) => this.#isFree(testimony)).length
        return
      }
      if (leaseMs > 0)
        await this.#ask(
          round.answers.filter(({ testimony }) => testimony.granted).map(({ peer }) => peer),
          0,
        )
      const againMs =
        AGAIN_MS * (1 + random()) + Math.max(0, round.here?.waitMs ?? 0, ...round.answers.map(({ testimony }) => testimony.waitMs))
      if (clock.monotonic() + againMs >= endMs) throw new OsirisError('unavailable', `Cannot write to the ledger: ${trouble}`)
      await new Promise<void>((resolve) => void clock.after(againMs, resolve))
    }
  }

  /** Fetches what witnesses have of this node's feed. What is still in the way, if anything. */
  async #catchUp({ answers }: Round): Promise<string | undefined> {
    const { feed, whose, pull } = this.#init
    // Besides this node's feed there may be the root's, where its key is here, and all that the next entry has to come after.
    if (!this.#consulted) for (const { peer } of answers.slice(0, PULLS_MAX)) await pull(peer)
    const ahead = answers.filter(({ testimony }) => testimony.seq > feed.seq()).toSorted((a, b) => b.testimony.seq - a.testimony.seq)
    for (const { peer, testimony } of ahead) if (testimony.seq > feed.seq()) await pull(peer)
    const differs = answers.find(({ testimony }) => testimony.seq <= feed.seq() && testimony.hash !== (feed.hashAt(testimony.seq) ?? null))
    if (differs !== undefined) await pull(differs.peer)
    if (differs !== undefined) return `another process wrote with ${whose}'s key: entry ${differs.testimony.seq} is not the one here`
    const missing = Math.max(0, ...answers.map(({ testimony }) => testimony.seq))
    return missing > feed.seq()
      ? `this node lacks entries of ${whose}'s feed (${feed.seq()} of ${missing}) and has not got them back`
      : undefined
  }

  /** Not where this node's next entry could meet another one that comes back with a restart of the witness. */
  #isFree({ granted, doubt }: Testimony): boolean {
    return granted && (doubt === null || this.#init.feed.hashAt(doubt.seq) === doubt.hash)
  }

  /** Why this round is not enough to write, if it is not. */
  #verdict({ asked, early, answers, here }: Round): string | undefined {
    const { whose } = this.#init
    const granted = answers.filter(({ testimony }) => this.#isFree(testimony)).length
    const own = here === undefined ? [] : [here.granted]
    const needed = Math.floor((answers.length + early + own.length) / 2) + 1
    if (granted + Number(own[0] ?? false) >= needed && granted > 0) return undefined
    if (granted < answers.length || own[0] === false) return `another process is writing with ${whose}'s key, or may have written`
    if (this.#consulted || (answers.length === 0 && early === 0 && !this.#init.namesOthers())) return undefined
    return `none of the other catalogs could say how far ${whose}'s feed goes (${answers.length} of ${asked} answered); it may have been set back`
  }

  /** Ends when all have answered, or soon after a majority has. */
  #ask(peers: readonly Peer[], leaseMs: number): Promise<Round> {
    const { ask, clock } = this.#init
    const timeoutMs = this.#consulted ? RENEW_MS : ASK_MS
    const here = this.#init.here?.({ instance: this.#instance, leaseMs })
    const round: Round = { asked: peers.length, here, early: 0, answers: [] }
    return new Promise((resolve) => {
      let open = peers.length
      let cancelRest = () => {}
      const end = () => {
        cancelRest()
        cancel()
        resolve({ ...round, answers: [...round.answers] })
      }
      const cancel = clock.after(timeoutMs, end)
      const look = () => {
        if (open === 0) end()
        else if (round.answers.length * 2 > peers.length) {
          cancelRest()
          cancelRest = clock.after(REST_MS, end)
        }
      }
      for (const peer of peers)
        ask(peer, { instance: this.#instance, leaseMs }, timeoutMs)
          .then(
            (testimony) => void round.answers.push({ peer, testimony }),
            (error: unknown) => void (round.early += Number(isEarly(error))),
          )
          .finally(() => {
            open -= 1
            look()
          })
      look()
    })
  }
}

/** A member that has not heard of this node yet refuses to speak with it. */
function isEarly(error: unknown): boolean {
  return error instanceof OsirisError && ['forbidden', 'overloaded'].includes(error.code)
}
