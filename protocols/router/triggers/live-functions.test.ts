import { afterEach, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { LiveFunctions } from './live-functions.ts'
import { VirtualTime } from './virtual.world.ts'

const record = (key: string, version = 'a', live = [{ version, weight: 100 }]) =>
  ({ namespace: key.split('/')[0], name: key.split('/')[1], version, aliases: { live } }) as unknown as FunctionRecord

const time = new VirtualTime()
const events = createEvents()
let records = new Map<string, FunctionRecord>()
let failures = 0
let told: string[] = []
let following: LiveFunctions | undefined

async function follow(): Promise<LiveFunctions> {
  const fail = () => {
    if (failures-- > 0) throw new OsirisError('unavailable', 'Cannot ask: nobody is there')
  }
  following = new LiveFunctions({
    catalog: {
      async all() {
        fail()
        return [...records.values()]
      },
      async get({ namespace, name, selector }) {
        fail()
        const found = records.get(`${namespace}/${name}`)
        if (found === undefined) throw new OsirisError('not_found', 'Cannot find it')
        return selector === undefined ? found : { ...found, version: selector }
      },
    },
    events,
    clock: time.clock(),
    changed: (namespace, name, found) => told.push(`${namespace}/${name} ${found?.version ?? 'gone'}`),
  })
  await following.start()
  return following
}

afterEach(() => {
  following?.stop()
  records = new Map()
  failures = 0
  told = []
})

test('tells of all there are, then of each that changes, and of those that are gone', async () => {
  records = new Map([['demo/a', record('demo/a')]])
  expect((await follow()).isListed).toBe(true)
  records.set('demo/b', record('demo/b'))
  events.emit('catalog.changed', { namespace: 'demo', name: 'b' })
  await time.pass(10)
  records.delete('demo/a')
  events.emit('catalog.changed', { namespace: 'demo', name: 'a' })
  await time.pass(10)
  records.delete('demo/b')
  events.emit('catalog.changed', {})
  await time.pass(10)
  expect(told).toEqual(['demo/a a', 'demo/b a', 'demo/a gone', 'demo/b gone'])
})

test('of an alias with weights the heaviest version counts, whichever a reference means', async () => {
  const live = [
    { version: 'light', weight: 10 },
    { version: 'heavy', weight: 90 },
  ]
  await follow()
  records.set('demo/a', record('demo/a', 'light', live))
  events.emit('catalog.changed', { namespace: 'demo', name: 'a' })
  await time.pass(10)
  expect(told).toEqual(['demo/a heavy'])
})

test('a catalog that cannot be asked is asked again, and what was not heard of is found by looking', async () => {
  records = new Map([['demo/a', record('demo/a')]])
  failures = 1
  expect((await follow()).isListed).toBe(false)
  await time.pass(1500)
  expect(told).toEqual(['demo/a a'])
  records.delete('demo/a')
  await time.pass(31_000)
  expect(told).toEqual(['demo/a a', 'demo/a gone'])
})
