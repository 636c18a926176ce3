import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coversUrl, parseEgress } from './egress.ts'
import { functionConfigSchema } from './manifest.ts'

const covers = (entry: string, url: string) => coversUrl(parseEgress(entry), new URL(url))

describe('an entry covers', () => {
  test.each([
    ['https://api.example.org', 'https://api.example.org/any?x=1'],
    ['https://api.example.org', 'https://API.Example.org.:443/'],
    ['https://api.example.org.', 'https://api.example.org/'],
    ['https://api.example.org:8443', 'https://api.example.org:8443/'],
    ['HTTPS://api.example.org/', 'https://api.example.org/x'],
    ['https://api.example.org/v1', 'https://api.example.org/v1'],
    ['https://api.example.org/v1/', 'https://api.example.org/v1/x/y'],
    ['https://*.example.org', 'https://a.example.org/'],
    ['https://*.example.org', 'https://a.b.example.org/'],
    ['https://*', 'https://anything.example/'],
    ['http://*:8080', 'http://anything.example:8080/'],
    ['https://*/v1', 'https://anything.example/v1/x'],
    ['*', 'https://anything.example:1234/'],
    ['*', 'http://1.2.3.4/'],
    ['http://127.0.0.1:9000', 'http://0x7f.1:9000/'],
    ['http://[::1]:9000', 'http://[0:0::1]:9000/'],
    ['http://localhost:9000', 'http://localhost:9000/'],
    ['https://bücher.example', 'https://xn--bcher-kva.example/'],
  ])('%s: %s', (entry, url) => expect(covers(entry, url)).toBe(true))
})

describe('an entry does not cover', () => {
  test.each([
    ['https://api.example.org', 'http://api.example.org/'],
    ['https://api.example.org', 'https://api.example.org:8443/'],
    ['https://api.example.org', 'https://api.example.org.evil.example/'],
    ['https://api.example.org', 'https://evil-api.example.org/'],
    ['https://api.example.org', 'https://api.example.org@evil.example/'],
    ['https://api.example.org', 'https://evil.example/?https://api.example.org'],
    ['https://api.example.org/v1', 'https://api.example.org/v10'],
    ['https://api.example.org/v1', 'https://api.example.org/v1/../admin'],
    ['https://api.example.org/v1', 'https://api.example.org/v1/%2e%2e/admin'],
    ['https://api.example.org/v1', 'https://api.example.org/v1/..%2fadmin'],
    ['https://api.example.org/v1', 'https://api.example.org/v1/..%5Cadmin'],
    ['https://*.example.org', 'https://example.org/'],
    ['https://*.example.org', 'https://badexample.org/'],
    ['https://*.example.org', 'https://a.example.org:444/'],
    ['https://*', 'http://anything.example/'],
    ['https://*', 'https://anything.example:8443/'],
  ])('%s: %s', (entry, url) => expect(covers(entry, url)).toBe(false))
})

test.each([
  ...[
    '',
    'example.org',
    '//example.org',
    'ftp://example.org',
    'file:///etc/passwd',
    'https://',
    'https://user@example.org',
    'https://u:p@example.org',
  ],
  ...[
    'https://example.org?x',
    'https://example.org/#x',
    'https://a.*.example.org',
    'https://*example.org',
    'https://**',
    '*.example.org',
    'https:/\\x',
  ],
  ...[
    'https://*.127.0.0.1',
    'https://example.org:99999',
    'https://exa mple.org',
    'https://example.org/*',
    '**',
    ' *',
    'https://*.',
    'https://%zz',
  ],
])('%j is refused when it is deployed, with a sentence', (entry) => {
  expect(() => parseEgress(entry)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  const said = functionConfigSchema.safeParse({ egress: [entry] })
  expect(said.success).toBe(false)
  expect(said.error?.issues[0]?.message).toMatch(/^Cannot read the egress entry /)
})

test('whatever stands in an entry or a URL, reading and comparing them either works or throws that sentence', () => {
  const text = fc.oneof(fc.string(), fc.webUrl(), fc.stringMatching(/^https?:\/\/[*a-z0-9.:@[\]/\\-]{0,30}$/))
  fc.assert(
    fc.property(text, fc.webUrl(), (entry, url) => {
      let pattern
      try {
        pattern = parseEgress(entry)
      } catch (error) {
        return (error as { code?: unknown }).code === 'invalid_argument'
      }
      return typeof coversUrl(pattern, new URL(url)) === 'boolean'
    }),
  )
})

test('an entry made of a URL covers that URL, and no other host', () => {
  fc.assert(
    fc.property(fc.webUrl({ withFragments: false }), fc.webUrl(), (url, other) => {
      const { origin, host } = new URL(url)
      const pattern = parseEgress(origin)
      return coversUrl(pattern, new URL(url)) && (new URL(other).host === host || !coversUrl(pattern, new URL(other)))
    }),
  )
})
