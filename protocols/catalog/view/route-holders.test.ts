import fc from 'fast-check'
import { expect, it } from 'vitest'
import { versionOf } from '#protocols/manifest'
import { routesConflict } from '#protocols/route'
import { aFunction, LAX } from '../catalog.fixture.ts'
import { type Fact, Fold } from '../ledger/fold.ts'
import { ViewDigest } from '../ledger/view-digest.ts'
import { View } from './view.ts'

const NAMES = ['one', 'two', 'three']
const ROUTES = ['GET /x', 'GET,POST /x', 'POST /x', '/x', 'GET /:a', 'GET /:b', 'h.org/x']
let count = 0

const manifestOf = (name: string, routes: string[]) => aFunction(name, 'a', routes).manifest
const factAt = (wallMs: number, name: string, change: Fact['change']): Fact => ({
  ...{ place: { wallMs, counter: 0, author: 'a', seq: 1, hash: `hash ${++count}` }, basis: null, after: null },
  ...{ by: 'ada', namespace: 'demo', name, change },
})
const publish = (wallMs: number, name: string, ...routes: string[]) => {
  const manifest = manifestOf(name, routes)
  return factAt(wallMs, name, { type: 'publish', manifest, version: versionOf(manifest) })
}
const retire = (wallMs: number, name: string) => factAt(wallMs, name, { type: 'retire' })

function settled(facts: readonly Fact[], together = true) {
  const fold = new Fold(LAX)
  const view = new View({ random: Math.random })
  const digest = new ViewDigest()
  const flush = () => {
    for (const state of fold.flush()) {
      view.set(state)
      digest.set(state)
    }
  }
  for (const each of facts) {
    fold.insert(each)
    if (!together) flush()
  }
  flush()
  return { held: view.routes(), lost: view.lostRoutes(), digest: digest.value() }
}
const holders = (...facts: Fact[]) => settled(facts).held.map(({ name, route }) => `${name} ${route}`)

const routes = fc.subarray(ROUTES, { maxLength: 3 })
const fact = fc
  .record({ wallMs: fc.nat(8), name: fc.constantFrom(...NAMES), routes, ends: fc.boolean() })
  .map(({ wallMs, name, routes: asked, ends }) => (ends && wallMs % 3 === 0 ? retire(wallMs, name) : publish(wallMs, name, ...asked)))
const facts = fc
  .array(fact, { maxLength: 12 })
  .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })))

it('property: any order of arrival, one by one or together, gives every route the same holder', () => {
  fc.assert(
    fc.property(facts, ([all, shuffled]) => {
      const expected = settled(all)
      for (const together of [true, false]) expect(settled(shuffled, together)).toEqual(expected)
    }),
    { numRuns: 300 },
  )
})

it('property: no two functions hold what cannot be told apart, and whoever lost did so against a holder', () => {
  fc.assert(
    fc.property(facts, ([all]) => {
      const { held, lost } = settled(all)
      const clashes = held.flatMap((one) => held.filter((other) => one.name !== other.name && routesConflict(one.route, other.route)))
      expect(clashes).toEqual([])
      expect(lost.filter(({ holder }) => !held.some((each) => each.name === holder.name && each.route === holder.route))).toEqual([])
      expect(lost.filter(({ name, route, holder }) => name === holder.name || !routesConflict(route, holder.route))).toEqual([])
    }),
    { numRuns: 300 },
  )
})

it('who asked first keeps it, also over later deploys, and whoever waits gets it when it is let go', () => {
  const [first, second] = [publish(1, 'one', 'GET /x'), publish(2, 'two', 'GET /x')]
  expect(holders(second, first)).toEqual(['one GET /x'])
  expect(settled([first, second]).lost).toEqual([
    { namespace: 'demo', name: 'two', route: 'GET /x', holder: { namespace: 'demo', name: 'one', route: 'GET /x' } },
  ])
  expect(holders(first, second, publish(3, 'one', 'GET /x', 'GET /y'))).toEqual(['one GET /x', 'one GET /y'])
  expect(holders(first, second, publish(3, 'one', 'GET /y'))).toEqual(['two GET /x', 'one GET /y'])
  expect(holders(first, second, retire(3, 'one'))).toEqual(['two GET /x'])
  expect(holders(first, second, retire(3, 'one'), publish(4, 'one', 'GET /x'))).toEqual(['two GET /x'])
})

it('a parameter by another name is the same route, and a wider one is taken as a whole', () => {
  expect(holders(publish(1, 'one', '/p/:a'), publish(2, 'two', '/p/:c'), publish(3, 'one', '/p/:b'))).toEqual(['one /p/:b'])
  expect(holders(publish(1, 'one', 'POST /x'), publish(2, 'two', 'GET,POST /x'), publish(3, 'three', 'GET /x'))).toEqual([
    'three GET /x',
    'one POST /x',
  ])
})
