/**
 * Routes as functions publish them: `[METHOD[,METHOD]] [host]/path`, with `:param` for one segment and a trailing `*` for the rest.
 * Pure. Precedence: a host beats no host, then segment by segment a literal beats `:param` beats `*`, then named methods beat all methods.
 *
 * Details that follow from it:
 * - A route whose path matches but whose method does not is passed over; `method_not_allowed` is answered only when no matching path takes the method.
 * - `HEAD` is served by `GET` routes, unless a route names `HEAD` itself. `OPTIONS` is answered by the platform, unless a route takes it: `allow` names it always.
 * - `:param` takes one non-empty segment; `*` takes what follows its slash, which may be empty (`/files/*` matches `/files/`, not `/files`).
 * - Paths are compared as sent; only parameter values are percent-decoded, and left as they are where the encoding is malformed.
 */
import { OsirisError } from './errors.ts'

export type RouteSegment = { kind: 'literal'; text: string } | { kind: 'param'; name: string } | { kind: 'rest' }

export interface Route {
  /** Sorted, without repetition; empty: every method. */
  methods: readonly string[]
  /** Lower case, without port; empty: every host. */
  host: string
  segments: readonly RouteSegment[]
}

export type RouteMatch =
  | { kind: 'match'; namespace: string; name: string; params: Record<string, string> }
  /** The path exists; `allow` lists what it takes, sorted. */
  | { kind: 'method_not_allowed'; allow: string[] }
  /** `knowsHost`: whether some route names the host. */
  | { kind: 'none'; knowsHost: boolean }

export interface RouteMatcher {
  /** `host` in lower case without port; `path` as sent, without query. */
  match(host: string, method: string, path: string): RouteMatch
}

const ROUTE_PATTERN = /^(?:([A-Z]+(?:,[A-Z]+)*) )?([^\s/]*)(\/\S*)$/
const HOST_PATTERN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/
const PARAM_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** Throws `invalid_argument` that names what is wrong with the route. */
export function parseRoute(text: string): Route {
  const parts = ROUTE_PATTERN.exec(text)
  if (parts === null) throw unreadable(text, 'expected "[METHOD[,METHOD]] [host]/path"')
  const host = (parts[2] as string).toLowerCase()
  if (host !== '' && !HOST_PATTERN.test(host)) throw unreadable(text, `"${host.slice(0, 80)}" is not a host name (no port, no wildcard)`)
  const methods = parts[1] === undefined ? [] : [...new Set(parts[1].split(','))].toSorted()
  return { methods, host, segments: parsePath(text, parts[3] as string) }
}

function parsePath(route: string, path: string): RouteSegment[] {
  if (/[?#\\]/.test(path)) throw unreadable(route, 'a path has no "?", "#" or "\\"')
  const texts = path.slice(1).split('/')
  const segments = texts.map((text, index) => parseSegment(route, text, index === texts.length - 1))
  const names = segments.flatMap((each) => (each.kind === 'param' ? [each.name] : []))
  if (new Set(names).size < names.length) throw unreadable(route, 'a parameter is named twice')
  return segments
}

function parseSegment(route: string, text: string, last: boolean): RouteSegment {
  if (text === '*' && last) return { kind: 'rest' }
  if (text.includes('*')) throw unreadable(route, '"*" may only be the whole last segment')
  if (text === '.' || text === '..') throw unreadable(route, 'clients resolve "." and ".." before they send')
  if (!text.startsWith(':')) return { kind: 'literal', text: encodeNonAscii(route, text) }
  const name = text.slice(1)
  if (!PARAM_PATTERN.test(name) || name === '__proto__') throw unreadable(route, `"${name.slice(0, 80)}" is not a parameter name`)
  return { kind: 'param', name }
}

/** Clients send `é` as `%C3%A9`; so that a person may write the former. */
function encodeNonAscii(route: string, text: string): string {
  if (!text.isWellFormed()) throw unreadable(route, 'it holds half a surrogate pair')
  return text.replace(/[\u0080-\uffff]+/g, encodeURIComponent)
}

function unreadable(route: string, reason: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot read route ${JSON.stringify(route.slice(0, 160))}: ${reason}`)
}

/** What a route takes, whatever its parameters are called. */
export interface RouteClaim {
  /** Host and path, equal for two that no precedence tells apart. */
  path: string
  /** As in `Route`. */
  methods: readonly string[]
}

/** Throws `invalid_argument`. */
export function claimOf(route: string): RouteClaim {
  const { host, segments, methods } = parseRoute(route)
  return { path: `${host}/${shapeOf(segments)}`, methods }
}

/** Whether some request is taken by both and precedence cannot decide: equal hosts, paths equal but for parameter names, a method in common. */
export function collide(one: RouteClaim, other: RouteClaim): boolean {
  if (one.path !== other.path) return false
  if (one.methods.length === 0 || other.methods.length === 0) return one.methods.length === other.methods.length
  return one.methods.some((method) => other.methods.includes(method))
}

/** The same of two routes as written. Throws `invalid_argument`. */
export function routesConflict(a: string, b: string): boolean {
  return collide(claimOf(a), claimOf(b))
}

/** Equal for two paths that differ in parameter names only. */
function shapeOf(segments: readonly RouteSegment[]): string {
  return segments.map((each) => (each.kind === 'literal' ? each.text : each.kind === 'param' ? ':' : '*')).join('/')
}

/** The function behind one route, and the names its captures get. */
interface Holder {
  namespace: string
  name: string
  names: readonly string[]
}

/** What ends at one place of the tree. */
interface Leaf {
  byMethod: Map<string, Holder>
  every: Holder | undefined
}

interface Node {
  literals: Map<string, Node>
  param: Node | undefined
  rest: Leaf | undefined
  end: Leaf | undefined
}

/**
 * A matcher over all routes; a lookup costs at most one visit of each tree node, whatever the path.
 * Records that conflict (the catalog gives none out) resolve the same way on every node: the first by namespace, then name.
 * A route that cannot be read is left out.
 */
export function compileRoutes(records: readonly { route: string; namespace: string; name: string }[]): RouteMatcher {
  const hosts = new Map<string, Node>()
  for (const record of records.toSorted((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name))) {
    const route = readable(record.route)
    if (route !== undefined) plant(hosts, route, record)
  }
  const anyHost = hosts.get('') ?? createNode()
  hosts.delete('')
  return {
    match(host, method, path) {
      const own = hosts.get(host)
      return (own && find(own, method, path)) ?? find(anyHost, method, path) ?? missed(own, anyHost, path)
    },
  }
}

function readable(text: string): Route | undefined {
  try {
    return parseRoute(text)
  } catch {
    return undefined
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function createNode(): Node {
  return { literals: new Map(), param: undefined, rest: undefined, end: undefined }
}

function plant(hosts: Map<string, Node>, route: Route, record: { namespace: string; name: string }): void {
  let node = hosts.get(route.host) ?? createNode()
  hosts.set(route.host, node)
  const names: string[] = []
  let rest = false
  for (const segment of route.segments) {
    if (segment.kind === 'literal') node = childOf(node, segment.text)
    else if (segment.kind === 'param') node = node.param ??= createNode()
    else rest = true
    if (segment.kind !== 'literal') names.push(segment.kind === 'param' ? segment.name : '*')
  }
  const leaf = rest ? (node.rest ??= { byMethod: new Map(), every: undefined }) : (node.end ??= { byMethod: new Map(), every: undefined })
  const holder: Holder = { namespace: record.namespace, name: record.name, names }
  if (route.methods.length === 0) leaf.every ??= holder
  for (const method of route.methods) if (!leaf.byMethod.has(method)) leaf.byMethod.set(method, holder)
}

function childOf(node: Node, text: string): Node {
  const known = node.literals.get(text)
  if (known !== undefined) return known
  const child = createNode()
  node.literals.set(text, child)
  return child
}

function find(root: Node, method: string, path: string): RouteMatch | undefined {
  if (!path.startsWith('/')) return undefined
  const captures: string[] = []
  const holder = descend(root, path, 1, captures, (leaf) => holderOf(leaf, method))
  if (holder === undefined) return undefined
  const params: Record<string, string> = {}
  for (let index = 0; index < holder.names.length; index++) params[holder.names[index] as string] = decoded(captures[index] as string)
  return { kind: 'match', namespace: holder.namespace, name: holder.name, params }
}

/** Visits what the path matches, best first, until `take` answers; `captures` then holds what the parameters on the way took. */
function descend<T>(node: Node, path: string, start: number, captures: string[], take: (leaf: Leaf) => T | undefined): T | undefined {
  const slash = path.indexOf('/', start)
  const segment = slash < 0 ? path.slice(start) : path.slice(start, slash)
  const literal = node.literals.get(segment)
  const viaLiteral = literal && arrive(literal, path, slash, captures, take)
  if (viaLiteral !== undefined) return viaLiteral
  if (node.param !== undefined && segment !== '') {
    captures.push(segment)
    const viaParam = arrive(node.param, path, slash, captures, take)
    if (viaParam !== undefined) return viaParam
    captures.pop()
  }
  if (node.rest === undefined) return undefined
  captures.push(path.slice(start))
  const viaRest = take(node.rest)
  if (viaRest === undefined) captures.pop()
  return viaRest
}

function arrive<T>(node: Node, path: string, slash: number, captures: string[], take: (leaf: Leaf) => T | undefined): T | undefined {
  if (slash >= 0) return descend(node, path, slash + 1, captures, take)
  return node.end && take(node.end)
}

function holderOf(leaf: Leaf, method: string): Holder | undefined {
  return leaf.byMethod.get(method) ?? (method === 'HEAD' ? leaf.byMethod.get('GET') : undefined) ?? leaf.every
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Nothing takes the method: is it the method, or the path? */
function missed(own: Node | undefined, anyHost: Node, path: string): RouteMatch {
  const allow = new Set<string>()
  const note = (leaf: Leaf): undefined => {
    for (const method of leaf.byMethod.keys()) allow.add(method)
  }
  if (path.startsWith('/')) for (const root of own === undefined ? [anyHost] : [own, anyHost]) descend(root, path, 1, [], note)
  if (allow.size === 0) return { kind: 'none', knowsHost: own !== undefined }
  if (allow.has('GET')) allow.add('HEAD')
  return { kind: 'method_not_allowed', allow: [...allow.add('OPTIONS')].toSorted() }
}
