/** Calls that come twice. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Access, createIdentity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { failed, type Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { MemoryMesh } from '#protocols/network'
import { until } from '#protocols/until'
import { Begun } from './begun.ts'
import { ExecutorClient } from './client.ts'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'
import { serveExecutor } from './serve.ts'

test('an id is known again, among any others, until it is forgotten or 8,192 came after it', () => {
  const id = (value: number) => value.toString(16).padStart(32, '0')
  const check = fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 200 }), fc.nat({ max: 8191 }), (values, others) => {
    const begun = new Begun()
    const model = new Set<number>()
    const isRight = values.map((value) => {
      if (value % 7 !== 0) return begun.add(id(value)) === model.size < model.add(value).size
      begun.forget(id(value))
      model.delete(value)
      return true
    })
    expect(isRight).not.toContain(false)
    expect(begun.add(id(1_000))).toBe(true)
    for (let other = 0; other < others; other++) begun.add(id(10_000 + other))
    expect(begun.add(id(1_000))).toBe(false)
  })
  fc.assert(check, { numRuns: 50 })
})
test('what is remembered is bounded', () => {
  const begun = new Begun()
  for (let value = 0; value < 50_000; value++) begun.add(`${value}`)
  expect(Array.from({ length: 50_000 }, (_, value) => begun.add(`${value}`)).filter((isNew) => !isNew).length).toBeLessThanOrEqual(16_384)
})

const world = new World()
const mesh = new MemoryMesh()
const there = mesh.network({ name: 'there', roles: ['executor'] })
const [one, other] = ['one', 'other'].map((name) => mesh.network({ name, roles: ['router'] })) as [typeof there, typeof there]
const service = serviceIn(world)
/** Instead of the executor, before anything is started. */
let refuses: (() => OsirisError) | undefined
let invoked = 0
beforeAll(async () => {
  await Promise.all([service.start(), there.start(), one.start(), other.start()])
  const executor = {
    nodeName: 'there',
    recordOf: service.recordOf.bind(service),
    versionOf: service.versionOf.bind(service),
    now: () => service.now(),
    scale: service.scale.bind(service),
    invoke: (...call: Parameters<typeof service.invoke>): Promise<Outcome> => {
      invoked++
      return refuses === undefined ? service.invoke(...call) : Promise.resolve(failed(refuses()))
    },
  }
  serveExecutor(there, { executor, access: new Access({ root: createIdentity().id, clock: systemClock }), mayOrder: () => false })
  await until(() => [one, other].every((each) => each.members.get(there.peer)?.connected === true))
})
afterAll(async () => {
  await service.stop()
  await mesh.stop()
})
const from = (network: typeof there) => new ExecutorClient({ network, clock: systemClock }).at(there.peer)

test('a call that comes twice, from one router or from two, while it runs or after it, is started once', async () => {
  const record = world.define('let starts = 0; export default async () => { await new Promise((r) => setTimeout(r, 20)); return ++starts }')
  const call = callOf(record)
  invoked = 0
  const outcomes = await Promise.all([one, one, other].map((network) => from(network).invoke(call)))
  outcomes.push(await from(other).invoke(call))
  expect(outcomes.filter(({ kind }) => kind === 'value').map(valueOf)).toEqual([1])
  const again = { kind: 'failed', started: true, error: { code: 'outcome_unknown' }, meta: { node: 'there' } }
  expect(outcomes.filter(({ kind }) => kind !== 'value')).toMatchObject([again, again, again])
  expect(invoked).toBe(1)
  expect(valueOf(await from(one).invoke(callOf(record)))).toBe(2)
})
test('a call that was refused may come again', async () => {
  const record = world.define('export default () => 1')
  const call = callOf(record)
  refuses = () => new OsirisError('overloaded', 'Cannot take the call')
  expect(await from(one).invoke(call)).toMatchObject({ started: false, error: { code: 'overloaded' } })
  refuses = undefined
  expect(valueOf(await from(other).invoke(call))).toBe(1)
})
