import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fits, labelPairsSchema, lackOf, type Place, type Traits } from './traits.ts'

const names = fc.constantFrom('gpu', 'disk', 'zone')
const labels = fc.dictionary(names, fc.constantFrom('true', 'ssd', 'a'), { noNullPrototype: true })
const traits: fc.Arbitrary<Traits> = fc.record({ labels, region: fc.constantFrom('eu', 'us') }, { requiredKeys: [] })
const place: fc.Arbitrary<Place> = fc.record({ labels, regions: fc.subarray(['eu', 'us', 'asia']) })

test('who fits has every label and is in one of the regions', () => {
  const check = fc.property(place, traits, (asked, has) => {
    const lacks = Object.entries(asked.labels).some(([name, value]) => has.labels?.[name] !== value)
    const isElsewhere = asked.regions.length > 0 && !(has.region !== undefined && asked.regions.includes(has.region))
    expect(fits(asked, has)).toBe(!lacks && !isElsewhere)
  })
  fc.assert(check, { numRuns: 500 })
})
test('what nobody has is named, and what somebody has is not', () => {
  const check = fc.property(place, fc.array(traits, { maxLength: 4 }), (asked, all) => {
    fc.pre(!all.some((each) => fits(asked, each)))
    const sentence = lackOf(asked, all)
    const named = Object.entries(asked.labels).filter(([name, value]) => !all.some((each) => each.labels?.[name] === value))
    for (const [name, value] of named) expect(sentence).toContain(`${name}=${value}`)
    expect(sentence.startsWith('has the label')).toBe(named.length > 0)
  })
  fc.assert(check)
})
test('names that every object has are labels like others', () => {
  expect(fits({ labels: { constructor: 'x' }, regions: [] }, { labels: {} })).toBe(false)
  expect(labelPairsSchema.parse('gpu, disk=ssd,,n=')).toEqual({ gpu: 'true', disk: 'ssd', n: '' })
})
