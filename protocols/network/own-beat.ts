/** What this node says about itself, and when. */
import type { Identity } from '#protocols/access'
import { type Clock, every } from '#protocols/lifecycle'
import { type HeardBeat, signBeat } from './beats.ts'
import { isCrowd } from './crowd.ts'
import { BEAT_GAP_MS, BEAT_INTERVAL_MS, CROWD_SIGN_MS } from './limits.ts'
import type { Beat } from './network.ts'

export interface OwnBeatInit {
  identity: Identity
  universe: string
  clock: Clock
  beat: Beat
  addresses: () => string[]
  /** How many others there are. */
  members: () => number
  /** Sends a beat to everybody; never rejects. */
  publish: (beat: HeardBeat) => Promise<void>
  onError: (error: unknown) => void
}

/** Parts whose change can wait for the next beat: they change with every call. */
const PATIENT: ReadonlySet<string> = new Set<keyof Beat>(['inFlight', 'functions'])

export class OwnBeat {
  readonly #init: OwnBeatInit
  #beat: Beat
  #lastAt = 0
  /** The last one signed for whoever asked. */
  #shown: { beat: HeardBeat; signedAt: number } | undefined
  #sentAt = -Infinity
  #started = false
  #early: (() => void) | undefined
  #stopBeating = (): void => {}

  constructor(init: OwnBeatInit) {
    this.#init = init
    this.#beat = init.beat
  }

  /** A peer without a role has nothing to say: nobody places work on it. */
  get silent(): boolean {
    return this.#beat.roles.length === 0
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    this.#stopBeating = every(this.#init.clock, BEAT_INTERVAL_MS, () => this.#tick(), this.#init.onError)
    this.#soon()
  }

  /** Says goodbye. */
  async stop(): Promise<void> {
    if (!this.#started) return
    this.#started = false
    this.#stopBeating()
    this.#early?.()
    this.#early = undefined
    if (!this.silent) await this.#init.publish(this.sign(true))
  }

  /** Ends without a word. */
  halt(): void {
    this.#started = false
    this.#stopBeating()
    this.#early?.()
    this.#early = undefined
  }

  advertise(part: Partial<Beat>): void {
    const before = this.#beat
    this.#beat = { ...before, ...part }
    if (part.roles !== undefined) this.#shown = undefined
    const keys = Object.keys(part) as (keyof Beat)[]
    if (this.#started && keys.some((key) => !PATIENT.has(key) && !isSame(before[key], part[key]))) this.#soon()
  }

  /** The beat of now, signed. */
  sign(left = false): HeardBeat {
    const { identity, universe, clock, addresses } = this.#init
    this.#lastAt = Math.max(this.#lastAt + 1, clock.now())
    return signBeat(identity, universe, { ...this.#beat, addresses: addresses() }, this.#lastAt, left)
  }

  /** A beat for whoever asks, and how long ago it was signed: in a crowd many ask. */
  show(): { beat: HeardBeat; ageMs: number } {
    const now = this.#init.clock.monotonic()
    if (this.#shown === undefined || !isCrowd(this.#init.members()) || now - this.#shown.signedAt >= CROWD_SIGN_MS)
      this.#shown = { beat: this.sign(), signedAt: now }
    return { beat: this.#shown.beat, ageMs: Math.round(now - this.#shown.signedAt) }
  }

  #soon(): void {
    const { clock } = this.#init
    const delayMs = Math.max(0, this.#sentAt + BEAT_GAP_MS - clock.monotonic())
    this.#early ??= clock.after(delayMs, () => {
      this.#early = undefined
      this.#send().catch(this.#init.onError)
    })
  }

  /** A crowd asks for it. */
  async #tick(): Promise<void> {
    if (!isCrowd(this.#init.members())) await this.#send()
  }

  async #send(): Promise<void> {
    if (this.silent) return
    this.#sentAt = this.#init.clock.monotonic()
    await this.#init.publish(this.sign())
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
