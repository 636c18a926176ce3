/** From what a caller names to the record of the version that runs: a name, or a route. */
import type { Catalog, FunctionRecord, RouteRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { type FunctionRef, LIVE } from '#protocols/function'
import { isRouteTarget, type RouteTarget, type Target } from '#protocols/invocation'
import type { MaybePromise, Random } from '#protocols/lifecycle'
import { compileRoutes, type RouteMatcher } from '#protocols/route'

export interface Resolved {
  record: FunctionRecord
  /** Of the route that matched. */
  params: Record<string, string> | undefined
}

export class Resolver {
  readonly #catalog: Pick<Catalog, 'get' | 'routes'>
  readonly #random: Random
  #routes: readonly RouteRecord[] | undefined
  #matcher: RouteMatcher | undefined

  constructor(init: { catalog: Pick<Catalog, 'get' | 'routes'>; random: Random }) {
    this.#catalog = init.catalog
    this.#random = init.random
  }

  /** At once when the catalog answers at once. Throws or rejects with `not_found`, `method_not_allowed`, and the catalog's own. */
  resolve(target: Target): MaybePromise<Resolved> {
    if (!isRouteTarget(target)) return map(this.#record(target), (record) => ({ record, params: undefined }))
    const routes = this.#catalog.routes()
    return routes instanceof Promise ? routes.then((each) => this.#route(target, each)) : this.#route(target, routes)
  }

  #record(ref: FunctionRef): MaybePromise<FunctionRecord> {
    const record = this.#catalog.get(ref)
    return record instanceof Promise ? record.then((each) => this.#weighted(ref, each)) : this.#weighted(ref, record)
  }

  #route(target: RouteTarget, routes: readonly RouteRecord[]): MaybePromise<Resolved> {
    const match = this.#matcherOf(routes).match(target.host, target.method, target.path)
    if (match.kind === 'match')
      return map(this.#record({ namespace: match.namespace, name: match.name }), (record) => ({ record, params: match.params }))
    const what = `${target.method} ${target.host}${target.path}`.slice(0, 200)
    if (match.kind === 'none') throw new OsirisError('not_found', `Cannot route ${what}: no function holds it`)
    const allow = match.allow.join(', ')
    throw new OsirisError('method_not_allowed', `Cannot route ${what}: the path takes ${allow}`, { details: { allow: match.allow } })
  }

  /** Compiled once per table: the catalog gives the same array until a route changes. */
  #matcherOf(routes: readonly RouteRecord[]): RouteMatcher {
    if (this.#matcher === undefined || this.#routes !== routes) {
      this.#matcher = compileRoutes(routes)
      this.#routes = routes
    }
    return this.#matcher
  }

  /** An alias with several targets sends each call to one of them, by weight. */
  #weighted(ref: FunctionRef, record: FunctionRecord): MaybePromise<FunctionRecord> {
    const targets = record.aliases[ref.selector ?? LIVE]
    if (targets === undefined || targets.length < 2) return record
    let left = this.#random() * targets.reduce((sum, each) => sum + each.weight, 0)
    const chosen = targets.find((each) => (left -= each.weight) < 0)
    if (chosen === undefined || chosen.version === record.version) return record
    return this.#catalog.get({ namespace: record.namespace, name: record.name, selector: chosen.version })
  }
}

function map<A, B>(value: MaybePromise<A>, then: (value: A) => B): MaybePromise<B> {
  return value instanceof Promise ? value.then(then) : then(value)
}
