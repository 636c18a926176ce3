import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode } from '#protocols/codec'
import type { OsirisError } from '#protocols/errors'
import {
  assertMessage,
  DATA_BYTES_MAX,
  decodeAbout,
  decodeDelivery,
  type Delivery,
  encodeDelivery,
  eventOf,
  itemIdOf,
  itemsFor,
  laneOf,
  type Message,
} from './message.ts'
import type { NewMessage } from './topics.ts'

const message = (part: Partial<Message> = {}): Message => ({
  ...{
    id: 'm1',
    namespace: 'demo',
    topic: 'orders.created',
    data: Buffer.from('{"a":1}'),
    key: null,
    publishedAt: 1000,
    publishedBy: 'ada',
    depth: 0,
  },
  traceparent: null,
  ...part,
})
const bill = { id: 'demo/bill', namespace: 'demo', members: ['bill'], attemptsMax: 8, backoffMs: 1000 }
const group = { id: 'shop:billing', namespace: 'shop', members: ['a', 'b'], attemptsMax: 8, backoffMs: 1000 }

describe('what is published is refused', () => {
  const codeOf = (part: Partial<NewMessage>) => {
    try {
      assertMessage({ namespace: 'demo', topic: 'orders', data: Buffer.from('1'), ...part })
      return undefined
    } catch (error) {
      return (error as OsirisError).code
    }
  }
  test('only where it is no message', () => {
    expect(codeOf({})).toBeUndefined()
    expect(codeOf({ id: 'order:7@shop', key: 'x'.repeat(256), traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` })).toBeUndefined()
    expect(codeOf({ data: Buffer.from(`"${'x'.repeat(DATA_BYTES_MAX - 2)}"`) })).toBeUndefined()
  })
  test.each([
    ['data that is no JSON', { data: Buffer.from('1,"id":"other"') }],
    ['no data', { data: Buffer.from('') }],
    ['data that is no text', { data: Buffer.from([0x22, 0xff, 0x22]) }],
    ['a byte order mark', { data: Buffer.from('\ufeff1') }],
    ['a topic that is none', { topic: 'a..b' }],
    ['a huge topic', { topic: 'a'.repeat(1_000_000) }],
    ['a namespace that is none', { namespace: '../x' }],
    ['a huge id', { id: 'x'.repeat(129) }],
    ['an id with a space', { id: 'a b' }],
    ['a huge key', { key: 'x'.repeat(257) }],
    ['a trace that is none', { traceparent: 'x' }],
  ])('%s: invalid_argument', (_, part) => expect(codeOf(part)).toBe('invalid_argument'))
  test('data above the limit: payload_too_large; a topic of the platform: forbidden', () => {
    expect(codeOf({ data: Buffer.from(`"${'x'.repeat(DATA_BYTES_MAX)}"`) })).toBe('payload_too_large')
    expect(codeOf({ topic: 'osiris.function.published' })).toBe('forbidden')
  })
})

test('each subscriber has an item of its own, named by message and subscriber, in its own namespace and lane', () => {
  const items = itemsFor(message(), [bill, group])
  expect(items.map(({ key }) => key)).toEqual(['demo/bill/demo/orders.created', 'shop/:billing/demo/orders.created'])
  expect(items.map(({ key }) => laneOf(key))).toEqual(['demo/bill', 'shop/:billing'])
  expect(new Set(items.map(({ id }) => id)).size).toBe(2)
  expect(itemsFor(message({ data: Buffer.from('2'), publishedAt: 5 }), [group])[0]?.id).toBe(items[1]?.id)
  const others = [message({ id: 'm2' }), message({ topic: 'orders' }), message({ namespace: 'shop' })]
  expect(new Set([message(), ...others].map((each) => itemIdOf(each, bill.id))).size).toBe(4)
  expect(decodeAbout(items[0]?.about as Uint8Array)).toEqual({
    ...{ message: 'm1', namespace: 'demo', topic: 'orders.created', subscriber: 'demo/bill', publishedAt: 1000, publishedBy: 'ada' },
  })
})

const eventIn = (delivery: Delivery, attempt: number) => JSON.parse(Buffer.from(eventOf(delivery, attempt)).toString()) as unknown

test('a function gets what was published, with what is known of it', () => {
  expect(eventIn({ message: message({ key: 'k' }), subscriber: group }, 3)).toEqual({
    ...{
      id: 'm1',
      namespace: 'demo',
      topic: 'orders.created',
      group: 'billing',
      key: 'k',
      attempt: 3,
      publishedAt: 1000,
      publishedBy: 'ada',
    },
    data: { a: 1 },
  })
  expect(eventIn({ message: message(), subscriber: bill }, 1)).not.toHaveProperty('group')
})

test('any JSON arrives as it was published, and nothing of it becomes more than data', () => {
  fc.assert(
    fc.property(fc.json(), fc.string({ maxLength: 256 }), (data, key) => {
      const delivery = decodeDelivery(encodeDelivery({ message: message({ data: Buffer.from(data), key }), subscriber: bill }))
      expect(eventIn(delivery, 1)).toEqual({
        ...{
          id: 'm1',
          namespace: 'demo',
          topic: 'orders.created',
          key: key.toWellFormed(),
          attempt: 1,
          publishedAt: 1000,
          publishedBy: 'ada',
        },
        data: JSON.parse(data) as unknown,
      })
    }),
  )
})

test('a delivery from a disk or a peer that is none is refused', () => {
  const good = { message: { ...message() }, subscriber: { ...bill } }
  const wrong = [
    { ...good, more: 1 },
    { ...good, message: { ...good.message, data: Buffer.from('1,2') } },
    { ...good, message: { ...good.message, depth: -1 } },
    { ...good, subscriber: { ...bill, members: [] } },
    { ...good, subscriber: { ...bill, attemptsMax: 1e9 } },
    null,
  ]
  for (const each of wrong) expect(() => decodeDelivery(encode(each))).toThrow(/Cannot read a delivery/)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => decodeDelivery(bytes)).toThrow(/Cannot (?:read|decode)/)
    }),
  )
})
