/** From what a caller names to the record of the version that runs: a name, or a route. */
import type { Catalog, FunctionRecord, RouteRecord } from '#protocols/catalog'
import type { DomainClaim } from '#protocols/domain'
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef, LIVE } from '#protocols/function'
import { type Invocation, isRouteTarget, type RouteTarget, type Target } from '#protocols/invocation'
import type { MaybePromise, Random } from '#protocols/lifecycle'
import { compileRoutes, type RouteMatcher } from '#protocols/route'
import { pickTarget, stickyKeyOf } from '#protocols/steering'
import type { Domains } from './domains/domains.ts'

export interface Resolved {
  record: FunctionRecord
  /** Of the route that matched. */
  params: Record<string, string> | undefined
}

interface Matched {
  ref: FunctionRef
  params: Record<string, string> | undefined
}

/** What of a call says which version it gets. */
export type Steered = Pick<Invocation, 'target' | 'payload' | 'sticky'>

export class Resolver {
  readonly #catalog: Pick<Catalog, 'get' | 'routes'>
  readonly #random: Random
  readonly #domains: Pick<Domains, 'holderOf'> | undefined
  #routes: readonly RouteRecord[] | undefined
  /** Of all, and of single namespaces (by name) that have a domain of their own. */
  #matchers = new Map<string, RouteMatcher>()

  constructor(init: { catalog: Pick<Catalog, 'get' | 'routes'>; random: Random; domains?: Pick<Domains, 'holderOf'> }) {
    this.#catalog = init.catalog
    this.#random = init.random
    this.#domains = init.domains
  }

  /** At once when the catalog answers at once. Throws or rejects with `not_found`, `method_not_allowed`, and the catalog's own. */
  resolve(call: Steered): MaybePromise<Resolved> {
    const { target } = call
    if (!isRouteTarget(target)) return map(this.#record(target, call), (record) => ({ record, params: undefined }))
    return map(this.#matched(target), ({ ref, params }) => map(this.#record(ref, call), (record) => ({ record, params })))
  }

  /**
   * The same where the caller names the version itself. `permit` judges the function's namespace before versions are looked at, so that who may not
   * call learns nothing of them. Rejects as `resolve` does, and with `invalid_argument` where the target names a version too.
   */
  async resolveOverride(target: Target, override: string, permit: (namespace: string) => MaybePromise<void>): Promise<Resolved> {
    const { ref, params } = isRouteTarget(target) ? await this.#matched(target) : { ref: target, params: undefined }
    if (ref.selector !== undefined)
      throw new OsirisError('invalid_argument', `Cannot call "${formatRef(ref)}": Osiris-Version names a version too (${override})`)
    await permit(ref.namespace)
    return { record: await this.#catalog.get({ ...ref, selector: override }), params }
  }

  #record(ref: FunctionRef, call: Steered): MaybePromise<FunctionRecord> {
    const record = this.#catalog.get(ref)
    return record instanceof Promise ? record.then((each) => this.#weighted(ref, each, call)) : this.#weighted(ref, record, call)
  }

  #matched(target: RouteTarget): MaybePromise<Matched> {
    const holder = this.#domains?.holderOf(target.host)
    return holder instanceof Promise ? holder.then((each) => this.#matchedFor(target, each)) : this.#matchedFor(target, holder)
  }

  #matchedFor(target: RouteTarget, holder: DomainClaim | undefined): MaybePromise<Matched> {
    if (holder !== undefined && holder.name !== null) return { ref: { namespace: holder.namespace, name: holder.name }, params: undefined }
    return map(this.#catalog.routes(), (routes) => this.#match(target, routes, holder?.namespace))
  }

  /** `namespace`: the host is its own, and so only its routes count there. */
  #match(target: RouteTarget, routes: readonly RouteRecord[], namespace: string | undefined): Matched {
    const match = this.#matcherOf(routes, namespace).match(target.host, target.method, target.path)
    if (match.kind === 'match') return { ref: { namespace: match.namespace, name: match.name }, params: match.params }
    const what = `${target.method} ${target.host}${target.path}`.slice(0, 200)
    if (match.kind === 'none') throw notFound(what, target.host, match.knowsHost || namespace !== undefined)
    const allow = match.allow.join(', ')
    throw new OsirisError('method_not_allowed', `Cannot route ${what}: the path takes ${allow}`, { details: { allow: match.allow } })
  }

  /** Compiled once per table: the catalog gives the same array until a route changes. */
  #matcherOf(routes: readonly RouteRecord[], namespace = ''): RouteMatcher {
    if (this.#routes !== routes) this.#matchers = new Map()
    this.#routes = routes
    let matcher = this.#matchers.get(namespace)
    if (matcher === undefined) {
      matcher = compileRoutes(namespace === '' ? routes : routes.filter((each) => each.namespace === namespace))
      this.#matchers.set(namespace, matcher)
    }
    return matcher
  }

  /** An alias with several targets sends each call to one of them, by weight and by the caller's key. */
  #weighted(ref: FunctionRef, record: FunctionRecord, call: Steered): MaybePromise<FunctionRecord> {
    const targets = record.aliases[ref.selector ?? LIVE]
    if (targets === undefined || targets.length < 2) return record
    const version = pickTarget(targets, this.#random, stickyKeyOf(call))
    if (version === record.version) return record
    return this.#catalog.get({ namespace: record.namespace, name: record.name, selector: version })
  }
}

/** Who asks a host that nothing here has is told so: the usual reason is a name that was never added, or points to the wrong universe. */
function notFound(what: string, host: string, knowsHost: boolean): OsirisError {
  if (knowsHost || host === '') return new OsirisError('not_found', `Cannot route ${what}: no function holds it`)
  const text = `Cannot route ${what}: no function holds it, and none has the host "${host.slice(0, 255)}"`
  return new OsirisError('not_found', text, { details: { unknownHost: host.slice(0, 255) } })
}

function map<A, B>(value: MaybePromise<A>, then: (value: A) => MaybePromise<B>): MaybePromise<B> {
  return value instanceof Promise ? value.then(then) : then(value)
}
