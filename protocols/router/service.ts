/** Resolve, place, hand over. Everything a warm call on this node passes is in memory and synchronous up to the executor. */
import { type Access, tokenEndOf, type VersionSource } from '#protocols/access'
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { LIVE } from '#protocols/function'
import {
  type Caller,
  failed,
  type FailedOutcome,
  type Invocation,
  isRouteTarget,
  type Outcome,
  type PlacedInvocation,
  type Target,
  titleOf,
} from '#protocols/invocation'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import { asksFor, type TriggeredInvocation } from '#protocols/trigger'
import type { Domains } from './domains/domains.ts'
import { Keeping, type KeepingInit } from './idempotency/keeping.ts'
import { idOf, scopeOf, wholeRequest } from './idempotency/request.ts'
import type { Gate } from './quotas/gate.ts'
import type { Quotas } from './quotas/quotas.ts'
import { Attempts, type AttemptsInit } from './attempts.ts'
import { SOCKET_MS_MAX } from '#protocols/socket'
import { type Resolved, Resolver } from './resolve.ts'
import type { Router } from './router.ts'
import { answeredWithin, isUpgrade } from './sockets.ts'
import { Standing } from './standing.ts'

export interface RouterServiceInit extends AttemptsInit {
  catalog: Pick<Catalog, 'get' | 'routes'>
  access: Pick<Access, 'requireInvoke' | 'requireCall' | 'mayInvoke' | 'principalOf'>
  /** For calls that carry a key; absent: each of them is a call of its own. */
  network?: KeepingInit['network']
  /** What operators allow namespaces; absent: everything. */
  quotas?: Pick<Quotas, 'enter' | 'leave'>
  /** Hosts that are somebody's own; absent: none is. */
  domains?: Pick<Domains, 'holderOf'>
}

/** Function-to-function calls below one call from outside. */
const DEPTH_MAX = 16
/** Two hops per level (to a router, to an executor) and some to spare; more is a loop. */
const HOPS_MAX = 2 * DEPTH_MAX + 8

export class RouterService implements Router {
  /** For the handler: deadlines arrive as what remains. */
  readonly clock: Clock
  readonly #resolver: Resolver
  readonly #access: RouterServiceInit['access']
  readonly #attempts: Attempts
  /** Of calls that carry a key. */
  readonly keeping: Keeping | undefined
  readonly #quotas: RouterServiceInit['quotas']
  readonly #versionOf: VersionSource
  readonly #standing: Standing

  constructor(init: RouterServiceInit) {
    this.clock = init.clock
    this.#resolver = new Resolver(init)
    this.#access = init.access
    this.#standing = new Standing(init.clock)
    this.#quotas = init.quotas
    this.#versionOf = (namespace, name, selector) => init.catalog.get({ namespace, name, selector })
    this.#attempts = new Attempts(init)
    this.keeping = init.network && new Keeping({ network: init.network, clock: init.clock })
  }

  invoke(invocation: Invocation): Promise<Outcome> {
    if (invocation.idempotencyKey !== undefined && this.keeping !== undefined) return this.#once(invocation, this.keeping, false)
    try {
      if (invocation.override !== undefined) return this.#slowly(invocation, this.#overridden(invocation, invocation.override))
      const resolved = this.#resolver.resolve(invocation)
      if (resolved instanceof Promise) return this.#slowly(invocation, this.#judged(invocation, resolved))
      const access = this.#allow(invocation, resolved)
      if (access !== undefined) return this.#slowly(invocation, this.#judged(invocation, resolved, access))
      return this.#handOver(invocation, resolved)
    } catch (error) {
      return Promise.resolve(refused(error, invocation))
    }
  }

  /** The same where a catalog on a peer or a token never seen before has to be waited for; ends at the deadline at the latest. */
  async #slowly(
    invocation: Invocation,
    judged: Promise<Resolved>,
    then = (resolved: Resolved) => this.#handOver(invocation, resolved),
  ): Promise<Outcome> {
    const startedAt = this.clock.monotonic()
    const late = Promise.withResolvers<never>()
    const cancelTimer = this.clock.after(Math.max(0, invocation.deadlineAt - startedAt), () => late.reject(tooLate(invocation)))
    try {
      const resolved = await Promise.race([judged, late.promise])
      const routeMs = this.clock.monotonic() - startedAt
      const outcome = await then(resolved)
      return { ...outcome, meta: { ...outcome.meta, timing: { ...outcome.meta.timing, route: outcome.meta.timing.route + routeMs } } }
    } catch (error) {
      return refused(error, invocation)
    } finally {
      cancelTimer()
    }
  }

  /** The same for a call with a key whose answer this router keeps, as another sees it. */
  keep(invocation: Invocation): Promise<Outcome> {
    return this.keeping === undefined ? this.invoke(invocation) : this.#once(invocation, this.keeping, true)
  }

  /** A call with a key. It goes on when its caller leaves: who asks again gets its answer. */
  #once(invocation: Invocation, keeping: Keeping, isKeeper: boolean): Promise<Outcome> {
    const { override, idempotencyKey = '', origin, caller } = invocation
    let request = invocation
    const judged = async () => {
      const resolved =
        override === undefined
          ? await this.#judged(invocation, this.#resolver.resolve(invocation))
          : await this.#overridden(invocation, override)
      request = await wholeRequest(invocation)
      return resolved
    }
    return this.#slowly(invocation, judged(), async (resolved) => {
      const { namespace, name } = resolved.record
      const { signal: _, ...whole } = request
      const id = idOf(namespace, name, scopeOf(await this.#access.principalOf(caller), origin), idempotencyKey)
      const start = async () => {
        try {
          return await this.#handOver(whole, resolved)
        } catch (error) {
          return refused(error, invocation)
        }
      }
      const keyed = { id, namespace, title: `${namespace}/${name}`, invocation: whole, start }
      return isKeeper ? keeping.keep(keyed) : keeping.invoke(keyed)
    })
  }

  /**
   * The same for a call that a trigger of this node starts: nobody's token is asked for, the function must have asked for such calls. For what runs in this
   * process; peers have `invoke`.
   */
  trigger(invocation: TriggeredInvocation): Promise<Outcome> {
    return this.#slowly(invocation, this.#owed(invocation))
  }

  async #owed(invocation: TriggeredInvocation): Promise<Resolved> {
    const resolved = await this.#resolver.resolve(invocation)
    const { namespace, name, manifest } = resolved.record
    if (asksFor(manifest.settings, invocation)) return resolved
    const { trigger, payload } = invocation
    const what = `its settings ask for no ${trigger.kind} (${payload.handler})`
    throw new OsirisError('forbidden', `Cannot start "${namespace}/${name}": ${what}`)
  }

  /** What would be called now, and that the caller may: the record. Nothing is placed. Rejects with what `invoke` refuses a call with before that. */
  async admit(invocation: Invocation): Promise<FunctionRecord> {
    const { override } = invocation
    const resolved =
      override === undefined ? this.#judged(invocation, this.#resolver.resolve(invocation)) : this.#overridden(invocation, override)
    return (await resolved).record
  }

  async #judged(invocation: Invocation, pending: MaybePromise<Resolved>, access?: Promise<void>): Promise<Resolved> {
    const resolved = await pending
    await (access ?? this.#allow(invocation, resolved))
    return resolved
  }

  /** A version its caller names takes a grant, whatever is public: it may have been published and never released. */
  #overridden({ target, caller }: Invocation, override: string): Promise<Resolved> {
    return this.#resolver.resolveOverride(target, override, (namespace) => this.#access.requireInvoke(caller, namespace, false))
  }

  #allow(invocation: Invocation, { record }: Resolved): MaybePromise<void> {
    return this.#access.requireCall(invocation, record, isOpen(invocation.target, record), this.#versionOf)
  }

  #handOver(invocation: Invocation, { record, params }: Resolved): Promise<Outcome> {
    const now = this.clock.monotonic()
    if (invocation.deadlineAt <= now) throw tooLate(invocation)
    if (invocation.depth > DEPTH_MAX || invocation.hops > HOPS_MAX) throw tooDeep(invocation, record)
    const gate = this.#quotas?.enter(record.namespace)
    const { settings } = record.manifest
    const placed: PlacedInvocation = {
      ...invocation,
      target: { namespace: record.namespace, name: record.name },
      version: record.version,
      deadlineAt: Math.min(invocation.deadlineAt, now + (isUpgrade(invocation) ? SOCKET_MS_MAX : settings.execution.timeoutMs)),
    }
    if (params !== undefined && placed.payload.kind === 'fetch') placed.payload = { ...placed.payload, params }
    const running = isUpgrade(placed)
      ? answeredWithin(settings.execution.timeoutMs, placed, this.clock, (each) => this.#attempts.run(each, settings))
      : this.#attempts.run(placed, settings)
    const left = gate === undefined ? running : this.#leaving(running, gate)
    const told = settings.access === 'public' ? left.then((outcome) => this.#forPublic(outcome, invocation.caller, record)) : left
    // What functions call ends with whoever called the first of them.
    if (invocation.payload.kind !== 'fetch' || invocation.caller.token === undefined || invocation.path !== undefined) return told
    return told.then((outcome) => this.#standingBy(outcome, invocation, record))
  }

  /** An answer that goes on as a stream does so for as long as its caller's token lets it in. */
  #standingBy(outcome: Outcome, invocation: Invocation, record: FunctionRecord): Outcome {
    const { caller, override, target } = invocation
    if (outcome.kind !== 'response' || outcome.body === undefined || outcome.body instanceof Uint8Array) return outcome
    const { namespace, name, version } = record
    const { token = '' } = caller
    const isPublic = override === undefined && isOpen(target, record)
    const judge = async () => {
      await this.#access.principalOf(caller)
      await this.#access.requireCall({ caller }, record, isPublic, this.#versionOf)
    }
    const pass = { key: `${namespace}/${name}@${version} ${isPublic} ${token}`, endsAtMs: tokenEndOf(token), judge }
    return { ...outcome, body: this.#standing.during(outcome.body, pass) }
  }

  /** The answer of a call under a quota says what is left of it. */
  async #leaving(running: Promise<Outcome>, gate: Gate): Promise<Outcome> {
    const outcome = await running
    const rateLimit = this.#quotas?.leave(gate, outcome.meta.timing.cpu)
    return rateLimit === undefined ? outcome : { ...outcome, meta: { ...outcome.meta, rateLimit } }
  }

  /** Anybody may call a public function; its stack is for callers who hold a grant to. Others get its sentence. */
  #forPublic(outcome: Outcome, caller: Caller, record: FunctionRecord): MaybePromise<Outcome> {
    if (outcome.kind !== 'failed' || outcome.error.functionStack === undefined) return outcome
    const may = this.#access.mayInvoke(caller, record.namespace)
    if (may instanceof Promise) return may.then((each) => (each ? outcome : withoutStack(outcome)))
    return may ? outcome : withoutStack(outcome)
  }
}

/** Anybody may call the versions of a public function that get traffic. One that is reached by `@` and gets none takes a grant, however public it is or was. */
function isOpen(target: Target, { manifest, aliases, version }: FunctionRecord): boolean {
  if (manifest.settings.access !== 'public') return false
  if (isRouteTarget(target) || target.selector === undefined) return true
  return aliases[LIVE]?.some((each) => each.version === version) === true
}

function withoutStack(outcome: FailedOutcome): FailedOutcome {
  const { code, message, details } = outcome.error
  return { ...outcome, error: new OsirisError(code, message, details === undefined ? {} : { details }) }
}

function refused(error: unknown, invocation: Invocation): Outcome {
  return failed(OsirisError.from(error, `Cannot call ${titleOf(invocation.target)}`), { hops: invocation.hops })
}

function tooLate(invocation: Invocation): OsirisError {
  return new OsirisError(
    'deadline_exceeded',
    `Cannot call ${titleOf(invocation.target)}: its deadline passed before it was handed to an executor`,
  )
}

function tooDeep({ depth, hops, path }: Invocation, record: FunctionRecord): OsirisError {
  const what = `"${record.namespace}/${record.name}"${path === undefined ? '' : ` for "${path.join(' → ')}"`}`
  return new OsirisError(
    'depth_exceeded',
    `Cannot call ${what}: it is ${depth} calls deep (at most ${DEPTH_MAX}) after ${hops} hops (at most ${HOPS_MAX})`,
  )
}
