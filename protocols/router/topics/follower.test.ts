import { expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { FakeCatalog } from '../router.world.ts'
import { Follower } from './follower.ts'

/** A catalog whose list is what was added, and that counts what it is asked. */
class Listed {
  functions = new Map<string, FunctionRecord>()
  lists = 0
  fault: OsirisError | undefined

  put(namespace: string, name: string, subscribe: string[]): void {
    this.functions.set(
      `${namespace}/${name}`,
      new FakeCatalog().add(namespace, name, { subscribe }).get({ namespace, name }) as FunctionRecord,
    )
  }

  async all(): Promise<FunctionRecord[]> {
    this.lists++
    if (this.fault !== undefined) throw this.fault
    return [...this.functions.values()]
  }

  grantsOf(): [] {
    return []
  }

  async get({ namespace, name }: { namespace: string; name: string }): Promise<FunctionRecord> {
    const found = this.functions.get(`${namespace}/${name}`)
    if (found === undefined) throw new OsirisError('not_found', 'no')
    return found
  }
}

function following() {
  const catalog = new Listed()
  const events = createEvents()
  const follower = new Follower({ catalog, events, clock: systemClock })
  follower.start()
  const ids = async (topic: string) => {
    await follower.current()
    return follower.table.subscribersOf('demo', topic).map(({ id }) => id)
  }
  return { catalog, events, follower, ids }
}

test('reads all once, then what changed, and nothing else', async () => {
  const { catalog, events, follower, ids } = following()
  catalog.put('demo', 'a', ['x'])
  expect(await ids('x')).toEqual(['demo/a'])
  catalog.put('demo', 'b', ['x'])
  expect(await ids('x')).toEqual(['demo/a'])
  events.emit('catalog.changed', { namespace: 'demo', name: 'b' })
  expect(await ids('x')).toEqual(['demo/a', 'demo/b'])
  catalog.functions.delete('demo/a')
  events.emit('catalog.changed', { namespace: 'demo', name: 'a' })
  expect(await ids('x')).toEqual(['demo/b'])
  expect(catalog.lists).toBe(1)
  events.emit('catalog.changed', {})
  expect(await ids('x')).toEqual(['demo/b'])
  expect(catalog.lists).toBe(2)
  follower.stop()
})

test('what could not be read is asked again, and nobody is told less than there is', async () => {
  const { catalog, follower, ids } = following()
  catalog.put('demo', 'a', ['x'])
  catalog.fault = new OsirisError('unavailable', 'nobody')
  await expect(ids('x')).rejects.toMatchObject({ code: 'unavailable' })
  catalog.fault = undefined
  expect(await ids('x')).toEqual(['demo/a'])
  follower.stop()
})

test('of an alias with weights the version with most traffic counts, whichever a reference means now', async () => {
  const heavy = { version: '1'.repeat(64), weight: 90 }
  const light = { version: '2'.repeat(64), weight: 10 }
  const recordOf = (version: string, subscribe: string[]) =>
    new FakeCatalog()
      .add('demo', 'f', { subscribe }, { live: [light, heavy] }, version)
      .get({ namespace: 'demo', name: 'f' }) as FunctionRecord
  const events = createEvents()
  const get = ({ selector }: { selector?: string }) =>
    selector === heavy.version ? recordOf(heavy.version, ['heavy']) : recordOf(light.version, ['light'])
  const follower = new Follower({ catalog: { all: () => [], get, grantsOf: () => [] }, events, clock: systemClock })
  follower.start()
  await follower.current()
  events.emit('catalog.changed', { namespace: 'demo', name: 'f' })
  await follower.current()
  follower.stop()
  expect(['heavy', 'light'].map((topic) => follower.table.subscribersOf('demo', topic).length)).toEqual([1, 0])
})

test('while all are read anew, whoever asks finds the table as it was, and no part of one', async () => {
  const { catalog, events, follower, ids } = following()
  for (let at = 0; at < 600; at++) catalog.put('demo', `f${at}`, ['x'])
  expect((await ids('x')).length).toBe(600)
  events.emit('catalog.changed', {})
  const read = { isOver: false }
  void Promise.resolve(follower.current()).then(() => (read.isOver = true))
  const seen = new Set<number>()
  while (!read.isOver) {
    seen.add(follower.table.subscribersOf('demo', 'x').length)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect([...seen]).toEqual([600])
})
