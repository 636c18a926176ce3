import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeAs, encode } from '#protocols/codec'
import type { OsirisError } from '#protocols/errors'
import { IdSet } from './id-set.ts'
import {
  type Answer,
  answerSchema,
  answerTo,
  BYTES_MAX,
  MESSAGE_BYTES_MAX,
  NEED_MAX,
  questionSchema,
  Reconciliation,
  ROUNDS_MAX,
} from './reconcile.ts'

const idOf = (text: string) => createHash('sha256').update(text).digest('hex')
const idsOf = (count: number, prefix = '') => Array.from({ length: count }, (_, at) => idOf(`${prefix}${at}`))
const salt = Buffer.from('saltsalt')

/** One session through real bytes: what is found, and what it costs. */
function session(mine: IdSet, theirs: IdSet) {
  const asking = new Reconciliation(mine, salt)
  let bytes = 0
  let heaviest = 0
  for (let question = asking.next(); question !== undefined; question = asking.next()) {
    const sent = encode(question)
    const received = encode(answerTo(theirs, decodeAs(questionSchema, sent, 'the question')))
    asking.take(decodeAs(answerSchema, received, 'the answer'))
    bytes += sent.length + received.length
    heaviest = Math.max(heaviest, sent.length, received.length)
  }
  return { need: asking.need, rounds: asking.rounds, complete: asking.complete, bytes, heaviest }
}

const minus = (a: string[], b: string[]) => {
  const known = new Set(b)
  return a.filter((id) => !known.has(id)).toSorted()
}

/** Ids that share long prefixes, as an attacker would choose them, beside random ones. */
const anId = fc.oneof(
  fc.integer({ min: 0, max: 400 }).map((at) => idOf(String(at))),
  fc.integer({ min: 0, max: 300 }).map((at) => `${'ab'.repeat(30)}${at.toString(16).padStart(4, '0')}`),
  fc.constantFrom('0'.repeat(64), 'f'.repeat(64), `${'0'.repeat(63)}1`),
)
const someIds = fc.uniqueArray(anId, { maxLength: 200, size: 'max' })

describe('IdSet', () => {
  it('with() is the union, in order, and its digest that of any other way to the same set', () => {
    fc.assert(
      fc.property(someIds, someIds, (a, b) => {
        const both = IdSet.of(a).with(b)
        const expected = [...new Set([...a, ...b])].toSorted()
        expect(Array.from({ length: both.size }, (_, at) => both.idAt(at).toString('hex'))).toEqual(expected)
        expect(both.digest()).toBe(IdSet.of(expected.toReversed()).digest())
      }),
      { numRuns: 50 },
    )
  })

  it('boundAt() parts two neighbours', () => {
    fc.assert(
      fc.property(someIds, (ids) => {
        const set = IdSet.of(ids)
        for (let at = 0; at < set.size; at += 1) expect(set.before(set.boundAt(at))).toBe(at)
        expect(set.before(null)).toBe(set.size)
      }),
      { numRuns: 50 },
    )
  })
})

describe('reconciliation', () => {
  it('finds exactly what the other side has and this one lacks, for any two sets, in rounds that grow with the logarithm', () => {
    fc.assert(
      fc.property(someIds, someIds, someIds, (shared, mine, theirs) => {
        const here = [...new Set([...shared, ...mine])]
        const there = [...new Set([...shared, ...theirs])]
        const found = session(IdSet.of(here), IdSet.of(there))
        expect(found.need).toEqual(minus(there, here))
        expect(found.complete).toBe(true)
        expect(found.rounds).toBeLessThanOrEqual(3 + Math.log2(here.length + there.length + 2))
      }),
      { numRuns: 100 },
    )
  })

  it('two nodes that differ in 100 of 100,000 elements find it in ≤ 10 rounds and ≤ 64 KB, both directions together', () => {
    const shared = idsOf(99_900)
    const [left, right] = [idsOf(50, 'left'), idsOf(50, 'right')]
    const [a, b] = [IdSet.of([...shared, ...left]), IdSet.of([...shared, ...right])]
    const there = session(a, b)
    const back = session(b, a.with(there.need))
    expect([there.need, back.need]).toEqual([right.toSorted(), left.toSorted()])
    expect(Math.max(there.rounds, back.rounds)).toBeLessThanOrEqual(10)
    expect(there.bytes + back.bytes).toBeLessThanOrEqual(64 * 1024)
    const lacking = session(IdSet.of(shared), IdSet.of([...shared, ...idsOf(100, 'new')]))
    expect(lacking.need).toHaveLength(100)
    expect(lacking.bytes).toBeLessThanOrEqual(64 * 1024)
  })

  it('a set that lacks nearly everything gets it in bounded messages and bounded sessions', () => {
    const theirs = IdSet.of(idsOf(3 * NEED_MAX))
    let mine = IdSet.of(idsOf(10, 'mine'))
    let sessions = 0
    for (let found = session(mine, theirs); found.need.length > 0; found = session(mine, theirs)) {
      expect(found.heaviest).toBeLessThanOrEqual(MESSAGE_BYTES_MAX)
      expect(found.need.length).toBeLessThan(NEED_MAX + BYTES_MAX / 32)
      mine = mine.with(found.need)
      sessions += 1
    }
    expect(mine.size).toBe(theirs.size + 10)
    expect(sessions).toBeLessThanOrEqual(4)
  })

  it('many small differences never outgrow a message', () => {
    const theirs = idsOf(60_000)
    const found = session(IdSet.of(theirs.filter((_, at) => at % 20 !== 0)), IdSet.of(theirs))
    expect(found.heaviest).toBeLessThanOrEqual(MESSAGE_BYTES_MAX)
    expect(found.need).toHaveLength(3000)
  })
})

describe('a hostile other side', () => {
  const set = IdSet.of(idsOf(5000))
  const bytesOf = (max: number) => fc.uint8Array({ maxLength: max })
  const anyAnswer: fc.Arbitrary<Answer> = fc.record({
    ranges: fc.array(
      fc.oneof(
        fc.tuple(fc.constant(0 as const), bytesOf(3)),
        fc.tuple(fc.constant(1 as const), bytesOf(3), fc.uint8Array({ minLength: 8, maxLength: 8 })),
        fc.tuple(fc.constant(3 as const), bytesOf(3)),
        fc.tuple(fc.constant(4 as const), bytesOf(3), fc.uint8Array({ minLength: 32, maxLength: 32 })),
      ),
      { maxLength: 20 },
    ),
  })

  it('whose answers make no sense is told apart, or ends after bounded rounds with bounded memory', () => {
    fc.assert(
      fc.property(fc.array(anyAnswer, { minLength: 1, maxLength: 8 }), (answers) => {
        const asking = new Reconciliation(set, salt)
        let heaviest = 0
        let code = 'none'
        try {
          for (let question = asking.next(); question !== undefined; question = asking.next()) {
            heaviest = Math.max(heaviest, encode(question).length)
            asking.take(answers[asking.rounds % answers.length] as Answer)
          }
        } catch (error) {
          ;({ code } = error as OsirisError)
        }
        expect(['none', 'invalid_argument']).toContain(code)
        expect(heaviest).toBeLessThanOrEqual(MESSAGE_BYTES_MAX)
        expect(asking.rounds).toBeLessThanOrEqual(ROUNDS_MAX)
      }),
      { numRuns: 300 },
    )
  })

  it('that says of everything that it differs is asked no more than ROUNDS_MAX times', () => {
    const asking = new Reconciliation(set, salt)
    let bytes = 0
    for (let question = asking.next(); question !== undefined; question = asking.next()) {
      bytes += encode(question).length
      const ranges = question.ranges.map(([kind, bound]): Answer['ranges'][number] =>
        kind === 0 ? [0, bound] : [1, bound, Buffer.alloc(8)],
      )
      asking.take({ ranges })
    }
    expect(asking.rounds).toBeLessThanOrEqual(ROUNDS_MAX)
    expect(bytes).toBeLessThanOrEqual(ROUNDS_MAX * MESSAGE_BYTES_MAX)
    expect(asking.need).toEqual([])
  })

  it('that promises ids without end, out of their range, or says nothing is refused', () => {
    const asked = () => {
      const asking = new Reconciliation(IdSet.empty, salt)
      asking.next()
      return asking
    }
    const id = (byte: number) => Buffer.alloc(32, byte)
    expect(() => asked().take({ ranges: [] })).toThrow(/says nothing/)
    expect(() => asked().take({ ranges: [[4, Buffer.from([5]), id(9)]] })).toThrow(/not in their range/)
    expect(() => asked().take({ ranges: [[4, Buffer.alloc(0), Buffer.concat([id(3), id(2)])]] })).toThrow(/not in their range/)
    expect(() =>
      asked().take({
        ranges: [
          [0, Buffer.alloc(0)],
          [0, Buffer.alloc(0)],
        ],
      }),
    ).toThrow(/after its end/)
    expect(() =>
      answerTo(set, {
        salt,
        ranges: [
          [0, Buffer.from([5])],
          [0, Buffer.from([5])],
        ],
      }),
    ).toThrow(/not in order/)
  })

  it('gets a bounded answer to any question that passes the door', () => {
    const bound = fc.uint8Array({ minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.uniqueArray(bound, { selector: (each) => Buffer.from(each).toString('hex'), maxLength: 200 }), (bounds) => {
        const sorted = bounds.toSorted((a, b) => Buffer.compare(a, b))
        const ranges = sorted.map((each): [2, Uint8Array, Uint8Array] => [2, each, new Uint8Array()])
        expect(encode(answerTo(set, { salt, ranges })).length).toBeLessThanOrEqual(MESSAGE_BYTES_MAX)
      }),
      { numRuns: 50 },
    )
  })
})
