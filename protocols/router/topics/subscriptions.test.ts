import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import type { FunctionConfig } from '#protocols/manifest'
import { coversTopic, parseTopicPattern } from '#protocols/topic'
import { FakeCatalog } from '../router.world.ts'
import { SubscriptionTable } from './subscriptions.ts'

type Written = NonNullable<FunctionConfig['subscribe']>

function recordOf(ref: string, subscribe: Written): FunctionRecord {
  const [namespace = '', name = ''] = ref.split('/')
  return new FakeCatalog().add(namespace, name, { subscribe }).get({ namespace, name }) as FunctionRecord
}

function tableOf(functions: Record<string, Written>): SubscriptionTable {
  const table = new SubscriptionTable()
  for (const [ref, subscribe] of Object.entries(functions)) table.set(recordOf(ref, subscribe))
  return table
}

const idsOf = (table: SubscriptionTable, topic: string, namespace = 'demo') =>
  table.subscribersOf(namespace, topic).map(({ id, members }) => `${id} ${members.join('+')}`)

describe('a message concerns', () => {
  test('each function by itself, and one for each group', () => {
    const table = tableOf({
      'demo/mail': ['orders.*'],
      'demo/bill': [{ topic: 'orders.created', group: 'billing' }],
      'demo/tax': [{ topic: 'orders.**', group: 'billing' }],
      'demo/other': ['users.*'],
    })
    expect(idsOf(table, 'orders.created')).toEqual(['demo/mail mail', 'demo:billing bill+tax'])
    expect(idsOf(table, 'orders.eu.created')).toEqual(['demo:billing tax'])
    expect(idsOf(table, 'nothing')).toEqual([])
  })

  test('a function once, whatever the number of its patterns; in a group and by itself, both', () => {
    const table = tableOf({ 'demo/mail': ['orders.*', '**', { topic: 'orders.**', group: 'g' }] })
    expect(idsOf(table, 'orders.created')).toEqual(['demo/mail mail', 'demo:g mail'])
  })

  test('functions of the namespace it belongs to, unless another is named', () => {
    const table = tableOf({ 'demo/mail': ['orders'], 'shop/mail': ['orders'], 'shop/spy': ['demo/orders'] })
    expect(idsOf(table, 'orders')).toEqual(['demo/mail mail', 'shop/spy spy'])
    expect(idsOf(table, 'orders', 'shop')).toEqual(['shop/mail mail'])
  })

  test('groups of one name in two namespaces apart', () => {
    const table = tableOf({ 'demo/a': [{ topic: 'x', group: 'g' }], 'shop/b': [{ topic: 'demo/x', group: 'g' }] })
    expect(idsOf(table, 'x')).toEqual(['demo:g a', 'shop:g b'])
  })

  test('nobody who only asked for events of the platform', () => {
    expect(idsOf(tableOf({ 'demo/watch': ['osiris.**'] }), 'orders')).toEqual([])
  })
})

test('of what one subscriber says twice, the more patient counts', () => {
  const table = tableOf({
    'demo/a': [
      { topic: 'x', attempts: 3, backoff: '10s' },
      { topic: '*', attempts: 9, backoff: '1s' },
    ],
  })
  expect(table.subscribersOf('demo', 'x')).toMatchObject([{ attemptsMax: 9, backoffMs: 10_000 }])
  expect(tableOf({ 'demo/a': ['x'] }).subscribersOf('demo', 'x')).toMatchObject([{ attemptsMax: 8, backoffMs: 1000 }])
})

test('a function that is published again, or goes, leaves nothing behind', () => {
  const table = tableOf({ 'demo/a': ['x', 'shop/y'] })
  table.set(recordOf('demo/a', ['z']))
  expect([idsOf(table, 'x'), idsOf(table, 'y', 'shop'), idsOf(table, 'z')]).toEqual([[], [], ['demo/a a']])
  table.delete('demo', 'a')
  expect(idsOf(table, 'z')).toEqual([])
})

const patterns = fc.constantFrom('a', 'b', 'a.b', 'a.*', '*.b', '**', 'a.**', 'shop/a', 'shop/**')
const entries = fc.array(fc.record({ topic: patterns, group: fc.constantFrom('g', 'h', undefined) }), { maxLength: 4 })
const changes = fc.array(fc.record({ ref: fc.constantFrom('demo/f', 'demo/g', 'shop/f'), entries, goes: fc.boolean() }), { maxLength: 12 })

test('whatever came before, the table says what the live manifests say', () => {
  fc.assert(
    fc.property(changes, fc.constantFrom('demo', 'shop'), fc.constantFrom('a', 'b', 'a.b', 'a.b.c'), (steps, namespace, topic) => {
      const table = new SubscriptionTable()
      const live = new Map<string, Written>()
      for (const step of steps) {
        const [ns = '', name = ''] = step.ref.split('/')
        const written = step.entries.map((each) => (each.group === undefined ? each.topic : { topic: each.topic, group: each.group }))
        if (step.goes) table.delete(ns, name)
        else table.set(recordOf(step.ref, written))
        if (step.goes) live.delete(step.ref)
        else live.set(step.ref, written)
      }
      const expected = new Set<string>()
      for (const [ref, written] of live) {
        const ns = ref.split('/')[0] as string
        for (const each of written) {
          const { topic: pattern, group } = typeof each === 'string' ? { topic: each, group: undefined } : each
          const parsed = parseTopicPattern(pattern, ns)
          if (parsed.namespace === namespace && coversTopic(parsed, topic.split('.')))
            expected.add(group === undefined ? ref : `${ns}:${group}`)
        }
      }
      expect(table.subscribersOf(namespace, topic).map(({ id }) => id)).toEqual([...expected].toSorted())
    }),
  )
})
