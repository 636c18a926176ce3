import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { OsirisError } from './errors.ts'
import { assertTopic, coversTopic, parseTopicPattern, parseTopicRef, TOPIC_LABELS_MAX } from './topic.ts'

const covers = (pattern: string, topic: string) => coversTopic(parseTopicPattern(pattern, 'demo'), topic.split('.'))

describe('a pattern covers', () => {
  test.each([
    ['orders', 'orders'],
    ['orders.created', 'orders.created'],
    ['orders.*', 'orders.created'],
    ['*.created', 'orders.created'],
    ['*', 'orders'],
    ['orders.**', 'orders.created'],
    ['orders.**', 'orders.eu.created'],
    ['**', 'orders'],
    ['**', 'orders.eu.created'],
    ['*.**', 'orders.created'],
    ['osiris.**', 'osiris.function.published'],
  ])('%s: %s', (pattern, topic) => expect(covers(pattern, topic)).toBe(true))
})

describe('a pattern does not cover', () => {
  test.each([
    ['orders', 'orders.created'],
    ['orders.*', 'orders'],
    ['orders.*', 'orders.eu.created'],
    ['orders.**', 'orders'],
    ['orders.**', 'ordersx.created'],
    ['*', 'orders.created'],
    ['*.**', 'orders'],
    // The platform's own, unless they are asked for by name.
    ['**', 'osiris.function.published'],
    ['*.function.published', 'osiris.function.published'],
  ])('%s: %s', (pattern, topic) => expect(covers(pattern, topic)).toBe(false))
})

describe('names', () => {
  test('a pattern and a topic may name their namespace', () => {
    expect(parseTopicPattern('shop/orders.*', 'demo')).toEqual({ namespace: 'shop', labels: ['orders', '*'], open: false })
    expect(parseTopicRef('demo/orders.created')).toEqual({ namespace: 'demo', topic: 'orders.created' })
    expect(parseTopicRef('orders', 'demo')).toEqual({ namespace: 'demo', topic: 'orders' })
  })
  test.each(['', '.', 'a.', '.a', 'a..b', 'Orders', 'a b', 'é', 'a.*', 'a/b/c', '-a', 'x'.repeat(64), 'a\u0000'])(
    '%j is no topic',
    (text) => expect(() => assertTopic(text)).toThrow(/Cannot read/),
  )
  test.each(['', 'a.**.b', 'a*', '***', '**.a', 'a.', 'no name/a', 'A/a', '/a', 'demo/', 'demo/a/b'])('%j is no pattern', (text) =>
    expect(() => parseTopicPattern(text, 'demo')).toThrow(/Cannot (?:read|use)/),
  )
  test('a topic without a namespace is refused where none is meant', () => {
    expect(() => parseTopicRef('orders')).toThrow('expected NAMESPACE/TOPIC')
  })
  test('what is too long is refused, and quoted in part', () => {
    for (const text of [
      'x.'.repeat(100_000),
      'x'.repeat(1_000_000),
      Array(TOPIC_LABELS_MAX + 1)
        .fill('a')
        .join('.'),
    ]) {
      expect(() => assertTopic(text)).toThrow(/Cannot read/)
      expect(() => parseTopicPattern(text, 'demo')).toThrow(expect.objectContaining({ message: expect.stringMatching(/^.{0,700}$/s) }))
    }
  })
})

/** What the documentation says, as a regular expression: slower, and written another way. */
function expressionFor(pattern: string): RegExp {
  const parts = pattern.split('.').map((each) => (each === '**' ? '[^.]+(?:\\.[^.]+)*' : each === '*' ? '[^.]+' : each))
  return new RegExp(`^${parts.join('\\.')}$`)
}
const label = fc.constantFrom('a', 'b', 'osiris', 'x-1')
const topics = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'))
const patterns = fc
  .tuple(fc.array(fc.oneof(label, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .filter(([labels, open]) => open || labels.length > 0)
  .map(([labels, open]) => [...labels, ...(open ? ['**'] : [])].join('.'))

test('any pattern covers exactly the topics its expression matches, the platform only by name', () => {
  fc.assert(
    fc.property(patterns, topics, (pattern, topic) => {
      const reserved = topic.startsWith('osiris') && !pattern.startsWith('osiris')
      expect(covers(pattern, topic)).toBe(!reserved && expressionFor(pattern).test(topic))
    }),
    { numRuns: 2000 },
  )
})

test('any text is a topic, a pattern, or refused with invalid_argument', () => {
  const codeOf = (read: (text: string) => unknown, text: string) => {
    try {
      read(text)
      return undefined
    } catch (error) {
      return (error as OsirisError).code
    }
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) =>
      [assertTopic, (each: string) => parseTopicRef(each), (each: string) => parseTopicPattern(each, 'demo')].every((read) =>
        [undefined, 'invalid_argument'].includes(codeOf(read, text)),
      ),
    ),
  )
})
