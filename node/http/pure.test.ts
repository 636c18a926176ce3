import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorStatus, type ErrorCode, OsirisError } from '#protocols/errors'
import { declaredLength, requestHeaders, responseHeaders } from './headers.ts'
import { createHosts } from './host.ts'
import { problemOf } from './problem.ts'
import { argumentsOf, callTarget, fetchTarget, originForm, routedPath, wayOf } from './target.ts'

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,19}[a-z0-9])?$/).filter((each) => !each.startsWith('xn--'))
const path = fc.webPath().map((each) => (each.startsWith('/') ? each : `/${each}`))

describe('target', () => {
  it('fetchTarget() gives back every byte after the name', () => {
    fc.assert(
      fc.property(name, name, path, fc.webQueryParameters(), (namespace, fn, rest, query) => {
        expect(fetchTarget(`/v1/fetch/${namespace}/${fn}${rest}?${query}`)).toEqual({
          ref: { namespace, name: fn },
          url: `${rest}?${query}`,
        })
      }),
    )
  })

  it('callTarget() reads any function, and throws a typed error for any other text', () => {
    fc.assert(
      fc.property(name, name, (namespace, fn) => {
        expect(callTarget(`/v1/call/${namespace}/${fn}@v1?x`)).toEqual({ namespace, name: fn, selector: 'v1' })
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(thrownBy(() => callTarget(`/v1/call/${text}`)) ?? new OsirisError('not_found', '')).toBeInstanceOf(OsirisError)
      }),
    )
  })

  it('argumentsOf() is always a JSON array with one element per arg', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json())), (args) => {
        const query = args.map((each) => `arg=${encodeURIComponent(each)}`).join('&')
        expect(JSON.parse(argumentsOf(`/x?${query}`))).toHaveLength(args.length)
      }),
    )
  })

  it('no path of the platform can be a route of a user', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('/v1', '/livez', '/readyz', '/metrics', '/console'),
        fc.constantFrom('', '/', '?', '/x', '?x'),
        (head, tail) => wayOf(head + tail) !== 'route',
      ),
    )
    for (const url of ['/v2/x', '/v1x', '/livezz', '/', '/x/v1']) expect(wayOf(url)).toBe('route')
  })

  it('routedPath() is the path that the function sees, however it is written', () => {
    const segment = fc.constantFrom('..', '.', '%2e%2E', '.%2e', 'a', 'a..', '%2f', '', 'b\\..\\..', '#', '...')
    fc.assert(
      fc.property(fc.array(segment), fc.constantFrom('', '?/../x'), (segments, query) => {
        const url = `/${segments.join('/')}${query}`
        expect(routedPath(url)).toBe(new URL(`http://host${url}`).pathname)
      }),
    )
    expect(routedPath('/w/../admin')).toBe('/admin')
  })
  it('originForm() never gives anything but a path', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl()), fc.oneof(fc.domain(), fc.string()), (url, host) => {
        let path = '/'
        const thrown = thrownBy(() => void (path = originForm(url, host)))
        expect([path[0], thrown === undefined || (thrown as OsirisError).code]).toEqual(['/', thrown === undefined || 'invalid_argument'])
      }),
    )
  })
})

describe('hosts', () => {
  const hosts = createHosts('Fn.Example.org')

  it('two names before .localhost or the domain are a function, nothing else is', () => {
    fc.assert(
      fc.property(name, name, fc.constantFrom('localhost', 'fn.example.org', 'LOCALHOST:80'), (fn, namespace, end) => {
        expect(hosts(`${fn}.${namespace}.${end}`).ref).toEqual({ namespace, name: fn })
      }),
    )
    for (const host of [
      'localhost',
      'a.localhost',
      'a.b.c.localhost',
      'a.b.example.org',
      '-a.b.localhost',
      'a.b.localhost.evil.example',
      'a..localhost',
    ]) {
      expect(hosts(host)).not.toHaveProperty('ref')
    }
  })

  it('remembers without growing', () => {
    for (let i = 0; i < 5_000; i++) expect(hosts(`h${i}.example`)).toEqual({ name: `h${i}.example` })
  })
})

describe('headers', () => {
  const token = fc.stringMatching(/^[a-zA-Z][a-zA-Z-]{0,15}$/)

  it('nothing of the platform or of the connection gets through, in either direction', () => {
    const hidden = fc.constantFrom('Osiris-Token', 'connection', 'Keep-Alive', 'TRANSFER-ENCODING', 'upgrade', 'te')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(token, hidden), fc.string())), (pairs) => {
        const seen = requestHeaders(pairs.flat(), true).map(([each]) => each)
        for (const each of [
          'osiris-token',
          'osiris-version',
          'osiris-sticky',
          'connection',
          'keep-alive',
          'transfer-encoding',
          'upgrade',
          'te',
          'authorization',
        ])
          expect(seen).not.toContain(each)
        const sent = responseHeaders(pairs)
        expect(
          sent.filter(
            (each, i) => i % 2 === 0 && (each.startsWith('osiris-') || each === 'content-length' || each === 'transfer-encoding'),
          ),
        ).toEqual([])
      }),
    )
  })

  it('declaredLength() is one whole number or nothing', () => {
    expect(declaredLength([['Content-Length', '5']])).toBe(5)
    for (const value of ['', '-1', '1.5', '0x5', '5, 5', ' 5', '9'.repeat(20)])
      expect(declaredLength([['content-length', value]])).toBe(undefined)
    expect(
      declaredLength([
        ['content-length', '5'],
        ['content-length', '5'],
      ]),
    ).toBe(undefined)
  })
})

describe('problemOf()', () => {
  it('tells whoever met a quota which, what is left, and when to come again', () => {
    const rateLimit = [
      { name: 'calls', q: 100, w: 1, r: 0, t: 2 },
      { name: 'concurrent', q: 5, qu: 'concurrent-requests', r: 0 },
    ]
    const { headers } = problemOf(new OsirisError('rate_limited', 'Cannot', { details: { retryAfterMs: 1200, rateLimit } }))
    const told = Object.fromEntries(headers.flatMap((each, at) => (at % 2 === 0 ? [[each, headers[at + 1]]] : [])))
    expect(told).toMatchObject({
      'retry-after': '2',
      'ratelimit-policy': '"calls";q=100;w=1, "concurrent";q=5;qu="concurrent-requests"',
      ratelimit: '"calls";r=0;t=2, "concurrent";r=0',
    })
    const forged = [{ name: 'x"\r\nset-cookie: a', q: 1, r: 0 }]
    expect(problemOf(new OsirisError('quota_exceeded', 'Cannot', { details: { rateLimit: forged } })).headers).not.toContain('ratelimit')
  })
  it('every code has its status, and details cannot replace what the document says', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(errorStatus) as ErrorCode[])),
        fc.string(),
        fc.dictionary(fc.constantFrom('status', 'code', 'type', 'x'), fc.jsonValue()),
        (code, message, details) => {
          const { status, body, headers } = problemOf(new OsirisError(code, message, { details }))
          expect(JSON.parse(body.toString())).toMatchObject({ type: `urn:osiris:error:${code}`, status, code, detail: message })
          expect([status, headers[3]]).toEqual([errorStatus[code], String(body.length)])
        },
      ),
    )
  })
})

function thrownBy(act: () => unknown): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}
