import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createIdentity, issueToken, universeId } from '#protocols/access'
import { isPlatformToken } from './bearer.ts'
import { createCallers, isLocal, type RequestHeaders } from './caller.ts'
import { hostnameOf, isLoopbackAddress, isLoopbackHost } from './loopback.ts'

const root = createIdentity()
const audience = universeId({ root: root.id })
const soon = () => Date.now() + 60_000
const callers = createCallers({ audience, developer: { token: 'dev' } })
const closed = createCallers({ audience })
const local: RequestHeaders = { host: 'localhost:4747' }
const subject = (headers: RequestHeaders, door: 'platform' | 'function' = 'platform', loopback = true) =>
  callers(headers, loopback, door).caller.subject

describe('the developer', () => {
  it.each(['localhost', 'localhost:4747', 'LOCALHOST.:4747', 'site.demo.localhost:4747', '127.0.0.1:4747', '[::1]:4747'])(
    'is who asks on Host %s',
    (host) => {
      expect(callers({ host }, true, 'platform').caller).toEqual({ subject: 'developer', token: 'dev' })
    },
  )

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'xlocalhost',
    '[::2]',
    '127.0.0.1@evil.example',
    '',
    'localhost:4747/x',
  ])('is not who asks on Host %j (DNS rebinding)', (host) => {
    const found = callers({ host }, true, 'platform')
    expect(found.caller).toEqual({ subject: 'anonymous' })
    expect(found.refusal).toMatch(/is not a name of this machine/)
  })

  it('is not who asks from another machine, from a page, or through a proxy', () => {
    expect(subject(local, 'platform', false)).toBe('anonymous')
    expect(subject({ ...local, origin: 'http://localhost:4747' })).toBe('anonymous')
    expect(subject({ ...local, origin: 'null' }, 'function')).toBe('anonymous')
    expect(subject({ ...local, 'sec-fetch-site': 'cross-site' }, 'function')).toBe('anonymous')
    expect(subject({ ...local, 'osiris-egress': 'function' })).toBe('anonymous')
    expect(subject({ ...local, 'x-forwarded-for': '10.0.0.1' })).toBe('anonymous')
    expect(subject({})).toBe('anonymous')
  })

  it('may load the parts of a page of a function, but no page may reach management without a token', () => {
    const headers = { ...local, 'sec-fetch-site': 'same-origin' }
    expect(subject(headers, 'function')).toBe('developer')
    expect(subject(headers, 'platform')).toBe('anonymous')
    expect(subject({ ...local, 'sec-fetch-site': 'none' })).toBe('developer')
  })

  it('does not exist on a node outside a local universe', () => {
    expect(closed(local, true, 'platform')).toEqual({ caller: { subject: 'anonymous' }, consumed: false })
  })
})

describe('tokens', () => {
  it('Osiris-Token goes before everything else, and leaves a foreign Authorization alone', () => {
    const found = callers({ ...local, 'osiris-token': 'a.b.c', authorization: 'Bearer theirs' }, true, 'function')
    expect(found).toEqual({ caller: { subject: '', token: 'a.b.c' }, consumed: false })
  })

  it('a bearer token of this universe is taken, and kept from the function', async () => {
    const token = await issueToken(root, 'ada', [], soon())
    const found = callers({ ...local, authorization: `Bearer ${token}` }, true, 'function')
    expect(found).toEqual({ caller: { subject: '', token }, consumed: true })
    expect(callers({ 'osiris-token': token, authorization: `bearer  ${token}` }, true, 'function').consumed).toBe(true)
  })

  it('a function keeps every other Authorization, while calls and management take any bearer token for theirs', async () => {
    const foreign = await issueToken(createIdentity(), 'eve', [], soon())
    for (const authorization of [`Bearer ${foreign}`, 'Bearer opaque', 'Basic dTpw', 'Bearer a.b.c']) {
      expect(callers({ ...local, authorization }, true, 'function')).toMatchObject({ caller: { subject: 'developer' }, consumed: false })
    }
    expect(callers({ ...local, authorization: 'Bearer opaque' }, true, 'platform').caller.token).toBe('opaque')
    expect(callers({ ...local, authorization: 'Basic dTpw' }, true, 'platform').caller.subject).toBe('developer')
  })

  it('no text whatsoever makes the look at a token throw', () => {
    fc.assert(fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => !isPlatformToken(`${a}.${b}.${c}`, audience)))
  })
})

it('isLocal() holds for a program on this machine only', () => {
  expect(isLocal(local, true)).toBe(true)
  expect(isLocal(local, false)).toBe(false)
  expect(isLocal({ host: 'evil.example' }, true)).toBe(false)
})

it('isLoopbackAddress() knows the forms a socket reports', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) expect(isLoopbackAddress(address)).toBe(true)
  for (const address of ['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', undefined, '']) expect(isLoopbackAddress(address)).toBe(false)
})

it('hostnameOf() drops port, case and the last dot, and refuses what is no host', () => {
  expect(hostnameOf('Shop.Example.ORG.:80')).toBe('shop.example.org')
  fc.assert(fc.property(fc.string(), (text) => hostnameOf(text) === undefined || !/[\s/@\\]/.test(text)))
  fc.assert(fc.property(fc.domain(), (domain) => !isLoopbackHost(domain)))
})
