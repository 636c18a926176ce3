import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { failed } from '#protocols/invocation'
import { Answers, ANSWER_BYTES_MAX, KEPT_MS, type WholeOutcome } from './answers.ts'

const meta = failed(new OsirisError('internal', '')).meta
const value = (bytes: number): WholeOutcome => ({ kind: 'value', value: new Uint8Array(bytes), meta })
const state = { kind: 'begun', at: 'somebody' } as const
const about = (namespace = 'demo', digest = 'd') => ({ namespace, digest })

test('an answer is kept for ten minutes from the end of its call, and a call for ten minutes from its deadline', () => {
  const answers = new Answers()
  answers.begin('a', about(), state, 5000, 0)
  expect(answers.find('a', 'd', 5000 + KEPT_MS - 1)).toEqual(state)
  expect(answers.find('a', 'd', 5000 + KEPT_MS)).toEqual({ kind: 'none' })
  answers.end('a', value(1), 100)
  expect(answers.find('a', 'd', 100 + KEPT_MS - 1)).toMatchObject({ kind: 'ended', outcome: { kind: 'value' } })
  expect(answers.find('a', 'd', 100 + KEPT_MS)).toEqual({ kind: 'none' })
  expect(KEPT_MS).toBe(600_000)
})
test('another request under the key is a conflict, whatever became of the first', () => {
  const answers = new Answers()
  answers.begin('a', about(), state, 1000, 0)
  expect(answers.find('a', 'other', 1)).toEqual({ kind: 'conflict' })
  answers.end('a', value(1), 2)
  expect(answers.find('a', 'other', 3)).toEqual({ kind: 'conflict' })
  answers.forget('a')
  expect(answers.find('a', 'other', 3)).toEqual({ kind: 'none' })
})
test('an answer that is too large leaves word that there was one', () => {
  const answers = new Answers()
  answers.begin('a', about(), state, 1000, 0)
  answers.end('a', value(ANSWER_BYTES_MAX + 1), 1)
  expect(answers.find('a', 'd', 2)).toEqual({ kind: 'ended', outcome: undefined })
})
test('one namespace takes half of the places and leaves the rest to others; what is over makes room', () => {
  const answers = new Answers()
  let taken = 0
  while (answers.begin(`a${taken}`, about(), state, 1000, 0)) taken++
  expect(taken).toBe(5000)
  expect(answers.begin('b', about('other'), state, 1000, 0)).toBe(true)
  expect(answers.begin('again', about(), state, 1000, 1000 + KEPT_MS + 1)).toBe(true)
})
test('bytes are bounded, and what is forgotten is given back', () => {
  const op = fc.record({ id: fc.nat({ max: 80 }), bytes: fc.nat({ max: ANSWER_BYTES_MAX }), do: fc.constantFrom('begin', 'end', 'forget') })
  const check = fc.property(fc.array(op, { maxLength: 200 }), (ops) => {
    const answers = new Answers()
    const kept = new Map<string, number>()
    for (const each of ops) {
      const id = String(each.id)
      if (each.do === 'begin' && answers.begin(id, about(), state, 1000, 0)) kept.set(id, 0)
      if (each.do === 'end') answers.end(id, value(each.bytes), 0)
      if (each.do === 'forget') answers.forget(id)
      const found = answers.find(id, 'd', 1)
      if (found.kind === 'none') kept.delete(id)
      else kept.set(id, found.kind === 'ended' && found.outcome?.kind === 'value' ? found.outcome.value.length : 0)
      expect([...kept.values()].reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(32 * 1024 * 1024)
    }
    for (const id of kept.keys()) answers.forget(id)
    let free = 0
    while (answers.begin(`free${free}`, about(), state, 1000, 0)) free++
    expect(free).toBe(5000)
  })
  fc.assert(check, { numRuns: 10 })
})
