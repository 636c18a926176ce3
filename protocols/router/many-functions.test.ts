/** Whoever follows all functions of a universe with 100,000 of them: others have their turn meanwhile. */
import { expect, it } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { functionConfigSchema, settingsOf } from '#protocols/manifest'
import { until } from '#protocols/until'
import { AlwaysOn } from './scaling/always-on.ts'
import { Follower } from './topics/follower.ts'
import { LiveFunctions } from './triggers/live-functions.ts'

const COUNT = 100_000
const settings = settingsOf(functionConfigSchema.parse({ subscribe: ['orders'], scale: { min: 1 } }))
const version = 'a'.repeat(64)

/** Counts how many are taken in one turn of the event loop. */
function counted() {
  let [taken, most, inTurn] = [0, 0, 0]
  let isTurning = true
  const turn = () => {
    inTurn = 0
    if (isTurning) setImmediate(turn)
  }
  turn()
  function* all(): Generator<FunctionRecord> {
    for (let at = 0; at < COUNT; at += 1) {
      taken += 1
      inTurn += 1
      most = Math.max(most, inTurn)
      const aliases = { live: [{ version, weight: 100 }] }
      yield { namespace: `ns${at % 7}`, name: `f${at}`, version, aliases, manifest: { settings } } as unknown as FunctionRecord
    }
  }
  const get = () => Promise.reject(new Error('nobody asks for one'))
  return { catalog: { all, get, grantsOf: () => [] }, taken: () => taken, most: () => ((isTurning = false), most) }
}

it('subscriptions', async () => {
  const { catalog, most } = counted()
  const follower = new Follower({ catalog, events: createEvents(), clock: systemClock })
  follower.start()
  await follower.current()
  follower.stop()
  expect(follower.table.of('ns3').length).toBeGreaterThan(COUNT / 8)
  expect(most()).toBeLessThanOrEqual(512)
})

it('functions that keep instances', async () => {
  const { catalog, taken, most } = counted()
  const alwaysOn = new AlwaysOn({ clock: systemClock, catalog, scaleOf: (record) => record.manifest.settings.scale })
  alwaysOn.versions()
  await until(() => taken() === COUNT && alwaysOn.versions().length === COUNT, 20_000)
  expect(most()).toBeLessThanOrEqual(512)
})

it('live versions, of which each may have a cron line to be read', async () => {
  const { catalog, most } = counted()
  let told = 0
  const live = new LiveFunctions({ catalog, events: createEvents(), clock: systemClock, changed: () => (told += 1) })
  await live.start()
  live.stop()
  expect([told, live.isListed]).toEqual([COUNT, true])
  expect(most()).toBeLessThanOrEqual(32)
})
