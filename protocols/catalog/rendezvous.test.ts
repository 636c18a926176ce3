import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rendezvous } from './rendezvous.ts'

const peers = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 12 })

describe('rendezvous()', () => {
  it('ranks all peers, the same whatever order they come in', () => {
    fc.assert(
      fc.property(fc.string(), peers, (key, all) => {
        const ranked = rendezvous(key, all)
        expect(ranked.toSorted()).toEqual(all.toSorted())
        expect(rendezvous(key, all.toReversed())).toEqual(ranked)
      }),
    )
  })

  it('leaves the others where they are when one goes', () => {
    fc.assert(
      fc.property(fc.string(), peers, (key, all) => {
        const gone = all[0] as string
        expect(rendezvous(key, all.slice(1))).toEqual(rendezvous(key, all).filter((each) => each !== gone))
      }),
    )
  })

  it('gives each peer about its share of the keys, at every rank', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const ranked = Array.from({ length: 7000 }, (_, at) => rendezvous(`function-${at}`, names))
    for (const rank of [0, 1, 2])
      for (const name of names) {
        const share = ranked.filter((each) => each[rank] === name).length
        expect(share).toBeGreaterThan(850)
        expect(share).toBeLessThan(1150)
      }
  })
})
