import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseEgress } from '#protocols/egress'
import { kindOf, plainAddress } from './addresses.ts'
import { type EgressPolicy, judgeAddress, judgeUrl } from './guard.ts'

const closed: EgressPolicy = { allowPrivate: false, doors: [], ownAddresses: new Set() }
const open: EgressPolicy = { ...closed, allowPrivate: true }
const denied = expect.objectContaining({ code: 'egress_denied' })
const judge = (url: string, egress: string[], policy = closed) => judgeUrl(url, egress.map(parseEgress), policy)
/** A URL and the address it leads to. */
const reach = (url: string, egress: string[], address: string, policy = closed) => judgeAddress(judge(url, egress, policy), address, policy)

const NEVER_PUBLIC = [
  ...[
    '127.0.0.1',
    '127.255.255.254',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.127.255.255',
    '::1',
    'fc00::1',
    'fdff::1',
  ],
  ...[
    '0.0.0.0',
    '0.1.2.3',
    '169.254.169.254',
    '169.254.0.1',
    '192.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
  ],
  ...[
    '192.88.99.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '100.100.100.200',
    '::',
    'fd00:ec2::254',
    'fe80::1',
  ],
  ...[
    'febf::1',
    'fec0::1',
    'ff02::1',
    '2001:db8::1',
    '2001::1',
    '2001:10::1',
    '2002:7f00:1::',
    '2002:808:808::',
    '3fff::1',
    '100::1',
    '5f00::1',
  ],
  ...[
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '::8.8.8.8',
    '64:ff9b::7f00:1',
    '64:ff9b::a00:1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::',
  ],
  ...['64:ff9b:1::808:808', 'fe80::1%eth0', '2606:4700::1%lo', 'example.org', '', '1.2.3', '0x7f.1'],
]

test.each(NEVER_PUBLIC)('%j is not a public address', (address) => {
  expect(kindOf(address)).not.toBe('public')
  expect(() => reach('https://example.org/', ['*'], address)).toThrow(denied)
})

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '100.63.255.255',
  '100.128.0.1',
  '172.32.0.1',
  '192.0.1.1',
  '2606:4700::1111',
  '2001:4860:4860::8888',
  '64:ff9b::808:808',
])('%s is a public address', (address) => {
  expect(kindOf(address)).toBe('public')
  expect(() => reach('https://example.org/', ['https://example.org'], address)).not.toThrow()
})

test('an IPv4 address is never less than itself inside an IPv6 one', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const inside = kindOf(address)
      const hex = address.split('.').map((each) => Number(each).toString(16).padStart(2, '0'))
      const words = `${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`
      expect(plainAddress(`::ffff:${words}`)).toBe(address)
      expect(kindOf(`64:ff9b::${words}`)).toBe(inside === 'public' ? 'public' : 'never')
      for (const each of [`::ffff:${address}`, `::${words}`, `2002:${words}::1`, `64:ff9b:1::${words}`])
        expect(kindOf(each)).not.toBe('public')
    }),
  )
})

test('kindOf() and plainAddress() take any text', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.ipV6(),
        fc.ipV6().map((each) => each.toUpperCase()),
      ),
      (text) => kindOf(text) === kindOf(plainAddress(text)) || plainAddress(text) !== text,
    ),
  )
})

describe('a URL is denied', () => {
  test.each([
    ...[
      'file:///etc/passwd',
      'data:text/plain,x',
      'blob:https://example.org/1',
      'gopher://example.org/',
      'ws://example.org/',
      'ftp://example.org/',
      'javascript:1',
    ],
    ...['http://user@example.org/', 'http://a:b@example.org/', 'http://example.org@127.0.0.1/'],
    ...[0, 1, 22, 25, 53, 110, 143, 445, 587, 3306, 5432, 6000, 6379, 6667, 11211, 27017].map((port) => `http://example.org:${port}/`),
  ])('%s, whatever egress says', (url) => {
    expect(() => judge(url, ['*'], open)).toThrow(denied)
  })
  test('without egress, and where egress names something else', () => {
    expect(() => judge('https://example.org/', [])).toThrow(denied)
    expect(() => judge('https://example.org/', ['https://other.example'])).toThrow(denied)
    expect(() => judge('nonsense', ['*'])).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })
})

/** What stands in a URL, and the host the URL Standard reads there. */
const LOOPBACK = [
  ...[
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.1',
    '127.1',
    '127.0.1',
    '017700000001',
    '127.0.0.1.',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '%31%32%37.0.0.1',
  ],
  ...[
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b::127.0.0.1]',
    '[0:0:0:0:0:0:0:1]',
    '0',
    '0.0.0.0',
    '[::]',
  ],
  ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'loc%61lhost', 'ⓛocalhost'],
]
test.each(LOOPBACK)('http://%s/ is known for what it is', (host) => {
  const { host: read } = judge(`http://${host}/`, ['*'])
  const address = read.endsWith('localhost') ? '127.0.0.1' : read
  expect(() => reach(`http://${host}/`, ['*'], address)).toThrow(denied)
  expect(() => reach(`http://${host}/`, ['*'], address, open)).toThrow(denied)
})

test.each([
  ['http:\\\\example.org\\@127.0.0.1/', 'example.org'],
  ['http://exa\tmple\n.org/', 'example.org'],
  ['  http://example.org  ', 'example.org'],
  ['http:example.org', 'example.org'],
  ['http://EXAMPLE.org./', 'example.org'],
  ['http://example.org:80/', 'example.org'],
  ['http://faß.example/', 'xn--fa-hia.example'],
])('%j leads to %s and nowhere else', (url, host) => expect(judge(url, [`http://${host}`]).host).toBe(host))

describe('a private address is reached', () => {
  const named = ['http://127.0.0.1:9000', 'http://[::1]:9000', 'http://10.1.2.3:9000', 'http://[fd12::1]:9000', 'http://100.64.1.1:9000']
  test.each(named)('when egress names %s and the operator allows it', (origin) => {
    const { host } = judge(origin, [origin], open)
    expect(() => reach(origin, [origin], host, open)).not.toThrow()
    expect(() => reach(origin, [origin], host)).toThrow(denied)
    expect(() => reach(origin, ['*'], host, open)).toThrow(denied)
    expect(() => reach(origin, ['http://*:9000'], host, open)).toThrow(denied)
  })
  test('as localhost, but not by any other name that resolves to it', () => {
    expect(() => reach('http://localhost:9000', ['http://localhost:9000'], '127.0.0.1', open)).not.toThrow()
    expect(() => reach('http://a.localhost:9000', ['http://*.localhost:9000'], '127.0.0.1', open)).toThrow(denied)
    expect(() => reach('http://db.internal:9000', ['http://db.internal:9000'], '10.0.0.1', open)).toThrow(denied)
  })
  test.each(['169.254.169.254', '[fd00:ec2::254]', '[fe80::1]', '0.0.0.0', '224.0.0.1', '[::ffff:127.0.0.1]', '255.255.255.255'])(
    'never where it is %s',
    (host) => {
      const origin = `http://${host}:9000`
      expect(() => reach(origin, [origin], judge(origin, [origin], open).host, open)).toThrow(denied)
    },
  )
})

describe('a node’s own doors', () => {
  const policy: EgressPolicy = {
    allowPrivate: true,
    doors: [
      { address: '*', port: 4747 },
      { address: '192.168.1.9', port: 4748 },
    ],
    ownAddresses: new Set(['192.168.1.5', '93.184.216.34']),
  }
  test.each([
    'http://127.0.0.1:4747',
    'http://127.9.9.9:4747',
    'http://[::1]:4747',
    'http://192.168.1.5:4747',
    'http://93.184.216.34:4747',
    'http://192.168.1.9:4748',
  ])('%s is denied, whoever names it', (origin) => {
    expect(() => reach(origin, [origin], judge(origin, [origin], policy).host, policy)).toThrow(denied)
  })
  test('other ports of this host are private, on its public address too', () => {
    expect(() => reach('http://example.org/', ['*'], '93.184.216.34', policy)).toThrow(denied)
    expect(() => reach('http://93.184.216.34:9000', ['http://93.184.216.34:9000'], '93.184.216.34', policy)).not.toThrow()
    expect(() => reach('http://192.168.1.9:4747', ['http://192.168.1.9:4747'], '192.168.1.9', policy)).not.toThrow()
  })
})
