/** Leaving with manners: a node that drains takes no more work, lets others have what it kept ready, and ends the calls under way. */
import type { ExecutorService } from '#protocols/executor'
import type { Clock, Role } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'

export interface DrainingInit {
  roles: readonly Role[]
  network: Pick<Network, 'advertise' | 'members'>
  executor: Pick<ExecutorService, 'drain' | 'instances'> | undefined
  clock: Clock
  /** Called when it begins: the node has other roles now. */
  onBegin: () => void
}

/** Whoever runs these is sent work. */
const WORKING: ReadonlySet<Role> = new Set(['router', 'executor'])
/** From the beat that says so until everybody has heard it, decided who has the instances now, and started them. */
const HAND_OVER_MS = 2000
/** The same where nothing has to be started: gossip reaches all within 0.2 s. */
const HEARD_MS = 300
const LOOK_MS = 20

export interface Drained {
  /** Calls that were still under way when the time was up. */
  calls: number
}

export class Draining {
  readonly #init: DrainingInit
  #isDraining = false
  #settled: Promise<void> | undefined

  constructor(init: DrainingInit) {
    this.#init = init
  }

  /** Whether the node runs the role and goes on running it. */
  has(role: Role): boolean {
    return this.#init.roles.includes(role) && !(this.#isDraining && WORKING.has(role))
  }

  /** Begins to drain, if it has not, and waits until no call is under way, `timeoutMs` at most. There is no way back but a new start. */
  async drain(timeoutMs: number): Promise<Drained> {
    const { clock } = this.#init
    const endsAt = clock.monotonic() + timeoutMs
    this.#settled ??= this.#begin(Math.min(HAND_OVER_MS, timeoutMs / 2))
    await this.#settled
    while (this.#underWay() > 0 && clock.monotonic() < endsAt) await this.#pause(LOOK_MS)
    return { calls: this.#underWay() }
  }

  /** What comes while others have not heard of it yet is still taken. */
  async #begin(handOverMs: number): Promise<void> {
    const { roles, network, executor, onBegin } = this.#init
    const isNeeded = executor !== undefined && network.members.withRole('executor').length > 0
    const keeps = executor?.instances().some((each) => each.kept > 0) === true
    this.#isDraining = true
    network.advertise({ roles: roles.filter((each) => !WORKING.has(each)) })
    onBegin()
    if (isNeeded && (keeps || this.#underWay() > 0)) await this.#pause(keeps ? handOverMs : Math.min(HEARD_MS, handOverMs))
    executor?.drain()
  }

  #underWay(): number {
    return this.#init.executor?.instances().reduce((sum, each) => sum + each.running + each.waiting, 0) ?? 0
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#init.clock.after(ms, resolve)
    })
  }
}
