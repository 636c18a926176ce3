/** Everything functions of this node fetch: whose it is, whether there is room, and its end with its call. */
import { portOf } from '#protocols/egress'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { LimitName } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import type { Call } from '../call.ts'
import { DO, type WireFetch } from '../frames.ts'
import type { InstanceSlot } from '../function-state.ts'
import { countRequest } from '../limits/requests.ts'
import { Account, type EgressLimits } from './account.ts'
import { ByteBudgets } from './budget.ts'
import type { DialInit, Resolve } from './dial.ts'
import { Exchange } from './exchange.ts'
import { brokenBytes, exceeded } from './failures.ts'
import type { EgressPolicy } from './guard.ts'
import { OwnAddresses } from './own-addresses.ts'

/** Refusals that are answered, of one call; beyond it the function waits until its deadline. */
const REFUSALS_MAX = 1000

export interface EgressInit {
  clock: Clock
  events: Events
  limits: EgressLimits
  resolve: Resolve
  /** Functions may reach private addresses that their `egress` names. */
  allowPrivate: boolean
  /** Where nodes of the universe listen; asked for each connection. */
  doors: () => EgressPolicy['doors']
  ca?: string[]
}

export class Egress {
  readonly #init: EgressInit
  readonly #dialing: DialInit
  readonly #budgets: ByteBudgets
  readonly #accounts = new Map<Call, Account>()
  readonly #open = new Map<InstanceSlot, Map<number, Exchange>>()
  /** Fetches of instances without an open call: of modules that load, mostly. */
  readonly #homeless = new WeakMap<InstanceSlot, number>()
  readonly #own: OwnAddresses
  #count = 0

  constructor(init: EgressInit) {
    const { clock, limits, resolve, ca } = init
    this.#init = init
    this.#own = new OwnAddresses(clock)
    this.#budgets = new ByteBudgets(clock, limits.egressBytesPerMinute)
    this.#dialing = { clock, resolve, connectMs: limits.egressConnectMs, policy: () => this.#policy(), ...(ca === undefined ? {} : { ca }) }
  }

  /** Fetches under way, over all functions. */
  get open(): number {
    return this.#count
  }

  at(slot: InstanceSlot, id: number): Exchange | undefined {
    return this.#open.get(slot)?.get(id)
  }

  /** Throws when the id is in use. */
  begin(slot: InstanceSlot, id: number, head: WireFetch, body: Uint8Array | undefined): void {
    if (this.at(slot, id) !== undefined) throw new Error('a second fetch of one id')
    const call = callOf(slot, head.call)
    if (call === undefined) return this.#refuseHomeless(slot, id)
    const { namespace } = slot.fn.record
    const account = this.#accountOf(call)
    try {
      account.count()
      this.#requireRoom(namespace)
    } catch (error) {
      return this.#refuse(slot, id, call, head, error as OsirisError)
    }
    const exchange = new Exchange({
      ...{ id, slot, call, account, head, body, limits: this.#init.limits, dialing: this.#dialing },
      isOwned: head.call !== 0,
      charge: (bytes) => this.#charge(namespace, bytes),
      audit: (event) => this.#init.events.emit('function.egress', event),
      over: () => this.#close(slot, id),
    })
    const ofSlot = this.#open.get(slot)
    if (ofSlot === undefined) this.#open.set(slot, new Map([[id, exchange]]))
    else ofSlot.set(id, exchange)
    this.#count++
    account.whenFree(() => void exchange.run())
  }

  /** The call is over: so is what it fetched. */
  over(call: Call): void {
    if (this.#accounts.size === 0 || !this.#accounts.delete(call)) return
    const { slot } = call
    const exchanges = slot === undefined ? undefined : this.#open.get(slot)
    if (slot === undefined || exchanges === undefined) return
    const heir = callOf(slot, 0)
    for (const exchange of exchanges.values()) {
      if (exchange.call !== call) continue
      if (exchange.isOwned || heir === undefined) exchange.cancel()
      else {
        exchange.call = heir
        this.#accountOf(heir)
      }
    }
  }

  stop(): void {
    for (const exchanges of this.#open.values()) for (const exchange of exchanges.values()) exchange.cancel()
  }

  #close(slot: InstanceSlot, id: number): void {
    const ofSlot = this.#open.get(slot)
    if (ofSlot?.delete(id) !== true) return
    if (ofSlot.size === 0) this.#open.delete(slot)
    if (--this.#count === 0) this.#budgets.sweep()
  }

  #accountOf(call: Call): Account {
    const known = this.#accounts.get(call)
    if (known !== undefined) return known
    const { namespace, name } = call.fn.record
    const met = (limit: LimitName) => this.#init.events.emit('limit.hit', { namespace, name, limit })
    const account = new Account(this.#init.limits, () => countRequest(call, 'Cannot fetch', met))
    this.#accounts.set(call, account)
    return account
  }

  #requireRoom(namespace: string): void {
    const { egressNodeMax, egressBytesPerMinute } = this.#init.limits
    if (this.#count >= egressNodeMax)
      throw new OsirisError('overloaded', `Cannot fetch: ${egressNodeMax} fetches are under way on this node`)
    if (!this.#budgets.has(namespace)) throw overBudget(namespace, egressBytesPerMinute)
  }

  /** The first of a call is an event; only so many are answered, for whoever asks on and on may not be reading. */
  #refuse(slot: InstanceSlot, id: number, call: Call, head: WireFetch, error: OsirisError): void {
    const nth = this.#accountOf(call).refused()
    if (nth <= REFUSALS_MAX) answerNo(slot, id, error)
    if (nth > 1) return
    const { namespace, name, version } = slot.fn.record
    const url = URL.canParse(head.url) ? new URL(head.url) : undefined
    const to = { host: url?.host.slice(0, 300) ?? '', address: '', port: url === undefined ? 0 : portOf(url) }
    const spent = { status: null, code: error.code, bytesIn: 0, bytesOut: 0, ms: 0 }
    this.#init.events.emit('function.egress', { id: call.invocation.id, namespace, name, version, ...to, ...spent })
  }

  #refuseHomeless(slot: InstanceSlot, id: number): void {
    const nth = (this.#homeless.get(slot) ?? 0) + 1
    this.#homeless.set(slot, nth)
    if (nth > REFUSALS_MAX) return
    answerNo(slot, id, new OsirisError('egress_denied', 'Cannot fetch: no call is open that it would belong to'))
  }

  #charge(namespace: string, bytes: number): void {
    if (!this.#budgets.take(namespace, bytes)) throw overBudget(namespace, this.#init.limits.egressBytesPerMinute)
  }

  #policy(): EgressPolicy {
    const { allowPrivate, doors } = this.#init
    return { allowPrivate, doors: doors(), ownAddresses: this.#own.get() }
  }
}

/** The call that asked, if it is open; where the runtime cannot tell, the open one that has most time. */
function callOf(slot: InstanceSlot, callId: number): Call | undefined {
  if (callId !== 0) {
    const call = slot.worker.calls.get(callId)
    return call?.slot === slot ? call : undefined
  }
  let latest: Call | undefined
  for (const call of slot.worker.callsOf(slot)) if (latest === undefined || call.deadlineAt > latest.deadlineAt) latest = call
  return latest
}

function answerNo(slot: InstanceSlot, id: number, error: OsirisError): void {
  if (slot.state === 'gone' || slot.worker.isEnded) return
  slot.worker.frame(DO.fetchBroken, id, slot.id, 0, brokenBytes(error))
}

function overBudget(namespace: string, bytesPerMinute: number): OsirisError {
  return exceeded(`namespace "${namespace}" has used its ${bytesPerMinute} bytes per minute`)
}
