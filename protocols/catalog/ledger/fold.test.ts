import fc from 'fast-check'
import { expect, it } from 'vitest'
import { versionOf } from '#protocols/manifest'
import { aFunction, LAX } from '../catalog.fixture.ts'
import { type Fact, Fold } from './fold.ts'
import { ViewDigest } from './view-digest.ts'

const NAMES = ['one', 'two']
const CODES = ['a', 'b', 'c']
const functions = new Map(NAMES.flatMap((name) => CODES.map((code) => [`${name} ${code}`, aFunction(name, code).manifest] as const)))

const changeOf = (name: string): fc.Arbitrary<Fact['change']> => {
  const manifest = fc
    .constantFrom(...CODES)
    .map((code) => functions.get(`${name} ${code}`) as NonNullable<ReturnType<typeof functions.get>>)
  return fc.oneof(
    manifest.map((each) => ({ type: 'publish' as const, manifest: each, version: versionOf(each) })),
    fc.record({
      type: fc.constant('point' as const),
      alias: fc.constantFrom('live', 'canary'),
      targets: manifest.map((each) => [{ version: versionOf(each), weight: 100 }]),
    }),
    fc.constant({ type: 'retire' as const }),
  )
}

/** Few times and authors, so that ties are common. */
const fact = fc.constantFrom(...NAMES).chain((name) =>
  fc.record({
    place: fc.record({
      wallMs: fc.nat(5),
      counter: fc.nat(2),
      author: fc.constantFrom('a', 'b', 'c'),
      seq: fc.nat(3),
      hash: fc.uuid(),
    }),
    basis: fc.constant(null),
    after: fc.constant(null),
    by: fc.constantFrom('ada', 'bob'),
    namespace: fc.constant('demo'),
    name: fc.constant(name),
    change: changeOf(name),
  }),
)

/** The digest after each group of facts was folded. */
function digestsOf(groups: Fact[][]): string[] {
  const fold = new Fold(LAX)
  const digest = new ViewDigest()
  return groups.map((group) => {
    for (const each of group) fold.insert(each)
    for (const state of fold.flush()) digest.set(state)
    return digest.value()
  })
}

it('property: any order of arrival, in any groups, gives the same view digest', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fact, { maxLength: 24, selector: (each) => each.place.hash }).chain((facts) =>
        fc.record({
          facts: fc.constant(facts),
          shuffled: fc.shuffledSubarray(facts, { minLength: facts.length }),
          groups: fc.integer({ min: 1, max: 5 }),
        }),
      ),
      ({ facts, shuffled, groups }) => {
        const inGroups = Array.from({ length: groups }, (_, at) => shuffled.filter((_, index) => index % groups === at))
        expect(digestsOf(inGroups).at(-1)).toBe(digestsOf([facts]).at(-1))
        expect(digestsOf(facts.toReversed().map((each) => [each])).at(-1) ?? digestsOf([[]])[0]).toBe(digestsOf([facts])[0])
      },
    ),
    { numRuns: 300 },
  )
})

it('the digest tells two different views apart', () => {
  const place = { wallMs: 1, counter: 0, author: 'a', seq: 1, hash: 'x' }
  const publish = (code: string): Fact => {
    const { manifest } = aFunction('one', code)
    return {
      place,
      basis: null,
      after: null,
      by: 'ada',
      namespace: 'demo',
      name: 'one',
      change: { type: 'publish', manifest, version: versionOf(manifest) },
    }
  }
  expect(digestsOf([[publish('a')]])).not.toEqual(digestsOf([[publish('b')]]))
})

it('a point at a version of which the publish comes late takes effect when it is there', () => {
  const { manifest } = aFunction('one')
  const version = versionOf(manifest)
  const at = (wallMs: number) => ({ wallMs, counter: 0, author: 'a', seq: wallMs, hash: String(wallMs) })
  const common = { basis: null, after: null, by: 'ada', namespace: 'demo', name: 'one' }
  const fold = new Fold(LAX)
  fold.insert({ ...common, place: at(2), change: { type: 'point', alias: 'canary', targets: [{ version, weight: 100 }] } })
  expect(fold.flush()).toEqual([])
  fold.insert({ ...common, place: at(1), change: { type: 'publish', manifest, version } })
  expect(fold.flush()[0]?.aliases).toEqual({ live: [{ version, weight: 100 }], canary: [{ version, weight: 100 }] })
})
