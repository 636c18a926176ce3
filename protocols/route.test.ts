import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileRoutes, parseRoute, type Route, routesConflict } from './route.ts'

const holding = (...routes: string[]) => compileRoutes(routes.map((route) => ({ route, namespace: 'demo', name: nameFor(route) })))
const names = new Map<string, string>()
function nameFor(route: string): string {
  if (!names.has(route)) names.set(route, `f${names.size}`)
  return names.get(route) as string
}
const hit = (route: string, params: Record<string, string> = {}) => ({ kind: 'match', namespace: 'demo', name: nameFor(route), params })

describe('parseRoute()', () => {
  test('reads methods, host and segments', () => {
    expect(parseRoute('POST,GET Shop.Example.org/a/:id/*')).toEqual({
      methods: ['GET', 'POST'],
      host: 'shop.example.org',
      segments: [{ kind: 'literal', text: 'a' }, { kind: 'param', name: 'id' }, { kind: 'rest' }],
    })
    expect(parseRoute('/')).toEqual({ methods: [], host: '', segments: [{ kind: 'literal', text: '' }] })
  })
  test.each([
    '',
    'ping',
    'get /ping',
    'GET',
    'GET  /a',
    'GET /a b',
    'GET,/a',
    '/a*',
    '/*/b',
    '/:',
    '/:a-b',
    '/:a/:a',
    '/:__proto__',
    '/a?b',
    '/a#b',
    '/a/../b',
    'example.org:80/a',
    '*.example.org/',
    '-a.org/',
    '/\ud800',
  ])('refuses %j', (route) => {
    expect(() => parseRoute(route)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })
})

describe('routesConflict()', () => {
  test.each([
    ['/a/:x', '/a/:y', true],
    ['GET /a', 'GET,POST /a', true],
    ['/a', '/a', true],
    ['Example.org/a', 'example.org/a', true],
    ['GET /a', '/a', false],
    ['GET /a', 'POST /a', false],
    ['GET /a', 'HEAD /a', false],
    ['/a/:x', '/a/*', false],
    ['/a/:x', '/a/b', false],
    ['example.org/a', '/a', false],
    ['/a', '/a/', false],
  ])('%s with %s: %s', (a, b, expected) => {
    expect(routesConflict(a, b)).toBe(expected)
    expect(routesConflict(b, a)).toBe(expected)
  })
})

describe('match()', () => {
  test('a host beats no host, a literal beats a parameter beats the rest', () => {
    const routes = holding('/a/b', '/a/:x', '/a/*', 'h.org/*')
    expect(routes.match('', 'GET', '/a/b')).toEqual(hit('/a/b'))
    expect(routes.match('', 'GET', '/a/c')).toEqual(hit('/a/:x', { x: 'c' }))
    expect(routes.match('', 'GET', '/a/c/d')).toEqual(hit('/a/*', { '*': 'c/d' }))
    expect(routes.match('', 'GET', '/a/')).toEqual(hit('/a/*', { '*': '' }))
    expect(routes.match('h.org', 'GET', '/a/b')).toEqual(hit('h.org/*', { '*': 'a/b' }))
    expect(routes.match('', 'GET', '/a')).toEqual({ kind: 'none', knowsHost: false })
  })
  test('goes back to a parameter when the literal leads nowhere', () => {
    expect(holding('/a/b/c', '/:x/b/d').match('', 'GET', '/a/b/d')).toEqual(hit('/:x/b/d', { x: 'a' }))
  })
  test('falls through to the next path that takes the method, and answers method_not_allowed only when there is none', () => {
    const routes = holding('GET /a/b', 'POST /a/:x')
    expect(routes.match('', 'POST', '/a/b')).toEqual(hit('POST /a/:x', { x: 'b' }))
    expect(routes.match('', 'PUT', '/a/b')).toEqual({ kind: 'method_not_allowed', allow: ['GET', 'HEAD', 'OPTIONS', 'POST'] })
    expect(routes.match('', 'PUT', '/z')).toEqual({ kind: 'none', knowsHost: false })
  })
  test('HEAD is served by GET unless a route names it', () => {
    expect(holding('GET /a').match('', 'HEAD', '/a')).toEqual(hit('GET /a'))
    expect(holding('GET /a', 'HEAD /a').match('', 'HEAD', '/a')).toEqual(hit('HEAD /a'))
  })
  test('decodes parameters only, and leaves malformed encodings alone', () => {
    const routes = holding('/caf\u00e9/:x', '/b%2Fc', '/m/*')
    expect(routes.match('', 'GET', '/caf%C3%A9/%20%2F')).toEqual(hit('/caf\u00e9/:x', { x: ' /' }))
    expect(routes.match('', 'GET', '/b/c')).toEqual({ kind: 'none', knowsHost: false })
    expect(routes.match('', 'GET', '/m/%zz')).toEqual(hit('/m/*', { '*': '%zz' }))
  })
  test('takes paths that are no paths as none, and names of Object.prototype as text', () => {
    const routes = holding('/:constructor', '*'.padStart(2, '/'))
    expect(routes.match('', 'OPTIONS', '*')).toEqual({ kind: 'none', knowsHost: false })
    expect(routes.match('', 'GET', '')).toEqual({ kind: 'none', knowsHost: false })
    expect(routes.match('', 'GET', '/toString')).toMatchObject({ params: { constructor: 'toString' } })
    expect(routes.match('__proto__', 'GET', '/a/b')).toMatchObject({ kind: 'match' })
  })
  test('a route that cannot be read does not take the others down', () => {
    expect(holding('nonsense', '/a').match('', 'GET', '/a')).toEqual(hit('/a'))
  })
})

const segment = fc.constantFrom('a', 'b', ':x', ':y')
const routeText = fc
  .record({
    methods: fc.constantFrom('', 'GET ', 'POST ', 'GET,POST ', 'HEAD '),
    host: fc.constantFrom('', '', 'h.org', 'i.org'),
    segments: fc.array(segment, { maxLength: 3 }),
    end: fc.constantFrom('', '/*', '/'),
  })
  .map(({ methods, host, segments, end }) => {
    const seen = segments.filter((each, index) => !each.startsWith(':') || segments.indexOf(each) === index)
    return `${methods}${host}${seen.length === 0 ? end || '/' : seen.map((each) => `/${each}`).join('') + end}`
  })
const requests = fc.record({
  host: fc.constantFrom('', 'h.org', 'j.org'),
  method: fc.constantFrom('GET', 'POST', 'HEAD', 'PUT'),
  path: fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 4 }).map((each) => `/${each.join('/')}`),
})

/** What the docstring says, without a tree: all routes that match, the best first. */
function naive(routes: string[], host: string, method: string, path: string): string | string[] | undefined {
  const onPath = routes.map((text) => ({ text, route: parseRoute(text) })).filter(({ route }) => takesPath(route, host, path))
  const taken = onPath.filter(({ route }) => methodRank(route, method) >= 0)
  taken.sort((a, b) => rankOf(b.route, method) - rankOf(a.route, method))
  if (taken.length > 0) return taken[0]?.text
  const allow = new Set(onPath.flatMap(({ route }) => route.methods))
  if (allow.has('GET')) allow.add('HEAD')
  return onPath.length === 0 ? undefined : [...allow.add('OPTIONS')].toSorted()
}
function takesPath(route: Route, host: string, path: string): boolean {
  const pattern = route.segments.map((each) => (each.kind === 'literal' ? each.text : each.kind === 'param' ? '[^/]+' : '.*')).join('/')
  return (route.host === '' || route.host === host) && new RegExp(`^/${pattern}$`).test(path)
}
function methodRank(route: Route, method: string): number {
  if (route.methods.includes(method)) return 2
  if (method === 'HEAD' && route.methods.includes('GET')) return 1
  return route.methods.length === 0 ? 0 : -1
}
function rankOf(route: Route, method: string): number {
  const digits = route.segments.map((each) => (each.kind === 'literal' ? 3 : each.kind === 'param' ? 2 : 1))
  return Number([route.host === '' ? 0 : 1, ...digits, ...Array<number>(6 - digits.length).fill(0), methodRank(route, method)].join(''))
}

test('match() agrees with the naive reading of the precedence', () => {
  fc.assert(
    fc.property(fc.uniqueArray(routeText, { maxLength: 12 }), requests, (texts, { host, method, path }) => {
      const routes = texts.filter((text, index) => texts.slice(0, index).every((earlier) => !routesConflict(earlier, text)))
      const found = compileRoutes(routes.map((route) => ({ route, namespace: 'demo', name: nameFor(route) }))).match(host, method, path)
      const answer = found.kind === 'match' ? found.name : found.kind === 'method_not_allowed' ? found.allow : undefined
      const expected = naive(routes, host, method, path)
      expect(answer).toEqual(typeof expected === 'string' ? nameFor(expected) : expected)
    }),
    { numRuns: 2000 },
  )
})

test('the order of records never matters to routes that do not conflict', () => {
  fc.assert(
    fc.property(routeText, routeText, requests, (a, b, { host, method, path }) => {
      fc.pre(!routesConflict(a, b))
      const records = [a, b].map((route) => ({ route, namespace: 'demo', name: nameFor(route) }))
      const found = compileRoutes(records).match(host, method, path)
      expect(compileRoutes(records.toReversed()).match(host, method, path)).toEqual(found)
    }),
    { numRuns: 1000 },
  )
})

test('neither does the order of any number of records, whether they conflict or not', () => {
  const table = fc.array(fc.record({ route: routeText, namespace: fc.constantFrom('a', 'b'), name: fc.constantFrom('f', 'g') }), {
    maxLength: 10,
  })
  const shuffled = table.chain((records) => fc.tuple(fc.constant(records), fc.shuffledSubarray(records, { minLength: records.length })))
  fc.assert(
    fc.property(shuffled, requests, ([records, others], { host, method, path }) => {
      expect(compileRoutes(others).match(host, method, path)).toEqual(compileRoutes(records).match(host, method, path))
    }),
    { numRuns: 1000 },
  )
})

test('a host that no route names is told apart from a path that is not there', () => {
  const routes = holding('GET h.org/a', 'GET /b')
  expect(routes.match('h.org', 'GET', '/x')).toEqual({ kind: 'none', knowsHost: true })
  expect(routes.match('i.org', 'GET', '/x')).toEqual({ kind: 'none', knowsHost: false })
})

test('conflicting records resolve the same way whatever their order', () => {
  const records = ['b', 'a'].map((name) => ({ route: 'GET /x', namespace: 'demo', name }))
  expect(compileRoutes(records).match('', 'GET', '/x')).toMatchObject({ name: 'a' })
  expect(compileRoutes(records.toReversed()).match('', 'GET', '/x')).toMatchObject({ name: 'a' })
})

test('match() always answers, whatever is sent', () => {
  const routes = holding('/a/:x/b', '/*', 'h.org/:y')
  const text = fc.string({ unit: fc.constantFrom('a', '/', '%', '2', 'F', '\u0000', '\ud800', ':', '*') })
  const check = fc.property(text, text, text, (host, method, path) => {
    expect(routes.match(host, method, `/${path}`).kind).toBe('match')
  })
  fc.assert(check)
})
