import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isBelow, versions } from './versions.ts'

const INTEGRITY = 'sha512-x'
const SOUND = {
  manifest: {
    name: 'osiris',
    dependencies: { hono: '4.13.19', '@chainsafe/libp2p-gossipsub': 'npm:@libp2p/gossipsub@17.1.1' },
    devDependencies: { node: '26.10.0' },
    engines: { node: '>=24' },
  },
  lock: {
    'node_modules/hono': { version: '4.13.19', integrity: INTEGRITY },
    'node_modules/node': { version: '26.10.0', integrity: INTEGRITY },
    'node_modules/@chainsafe/libp2p-gossipsub': { name: '@libp2p/gossipsub', version: '17.1.1', integrity: INTEGRITY },
  } as { [place: string]: object },
}

const judge = (manifest: object, lock: object = {}) => {
  const whole = { ...SOUND.manifest, ...manifest }
  return versions(
    new Map([
      ['package.json', JSON.stringify(whole)],
      ['package-lock.json', JSON.stringify({ packages: { '': whole, ...SOUND.lock, ...lock } })],
    ]),
  ).map((each) => `${each.rule}: ${each.text}`)
}

it('versions() finds nothing in a sound pair', () => expect(judge({})).toEqual([]))

it.each(['^4.13.19', '~4.13.19', '4.x', '*', 'latest', 'npm:hono@^4', 'github:honojs/hono', '>=4.13.19'])(
  'versions() refuses the pin %s',
  (wanted) => {
    expect(judge({ dependencies: { hono: wanted } })).toContain(`pin: hono is not pinned to one version: ${wanted}`)
  },
)

it.each([
  ['node_modules/hono', { version: '4.13.4' }],
  ['node_modules/other/node_modules/hono', { version: '3.99.99' }],
  ['node_modules/@chainsafe/libp2p-gossipsub', { name: '@libp2p/gossipsub', version: '15.0.0' }],
  ['node_modules/@chainsafe/libp2p-gossipsub', { version: '14.1.2' }],
  ['node_modules/@libp2p/kad-dht', { version: '16.3.9' }],
  ['node_modules/node', { version: '24.9.0' }],
])('versions() refuses %s %j', (place, entry) => {
  expect(judge({}, { [place]: { ...entry, integrity: INTEGRITY } })).toEqual([expect.stringMatching(`^floor: ${place} is`)])
})

it('versions() refuses a Node below 24', () => expect(judge({ engines: { node: '>=22' } })).toHaveLength(1))

it('versions() refuses a lock entry that names its registry, or has no integrity', () => {
  expect(judge({}, { 'node_modules/a': { version: '1.0.0', resolved: 'https://example.org/a.tgz', integrity: INTEGRITY } })).toHaveLength(1)
  expect(judge({}, { 'node_modules/a': { version: '1.0.0' } })).toHaveLength(1)
})

it('versions() refuses a lock file of another package.json', () => {
  const tree = new Map([
    ['package.json', JSON.stringify(SOUND.manifest)],
    ['package-lock.json', JSON.stringify({ packages: { '': { dependencies: { hono: '4.13.18' } }, ...SOUND.lock } })],
  ])
  expect(versions(tree).map((each) => each.text)).toContain('has hono 4.13.18, package.json 4.13.19')
})

it('isBelow() orders versions as their numbers do', () => {
  const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99))
  fc.assert(
    fc.property(version, version, (a, b) => {
      const weight = ([x, y, z]: [number, number, number]) => (x * 100 + y) * 100 + z
      expect(isBelow(a.join('.'), b.join('.'))).toBe(weight(a) < weight(b))
    }),
  )
})
