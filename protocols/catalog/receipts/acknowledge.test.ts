import { expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { systemClock } from '#protocols/lifecycle'
import { spread, type SpreadOptions } from './acknowledge.ts'

const never = () => new Promise<never>(() => {})

/** Peers that give a receipt at once, unless said otherwise. */
function options(peers: string[], needed: number, part: Partial<SpreadOptions> = {}): SpreadOptions {
  const receipts = new Set<string>()
  const isEnough = () => receipts.size >= needed
  const push = async (peer: string, time: 'first' | 'again') => {
    const held = await (part.push ?? (async () => true))(peer, time)
    if (held) receipts.add(peer)
    return held
  }
  const common = { clock: systemClock, restMs: 20, timeoutMs: 60, others: [], onReceipt: () => () => {} }
  return { ...common, peers, isEnough, ...part, push }
}

it('all who answer in time are holders', async () => {
  const push = async (peer: string) => peer !== 'refuses'
  expect(await spread(options(['a', 'refuses', 'b'], 1, { push }))).toEqual(['a', 'b'])
  expect(await spread(options([], 0))).toEqual([])
})

it('once there are enough, the rest is waited for only so long', async () => {
  const from = performance.now()
  const push = (peer: string) => (peer === 'slow' ? never() : Promise.resolve(true))
  expect(await spread(options(['a', 'slow'], 1, { push, timeoutMs: 5000 }))).toEqual(['a'])
  expect(performance.now() - from).toBeLessThan(1000)
})

it('without enough it waits until the time is up, though all have answered', async () => {
  for (const push of [never, async () => false]) {
    const from = performance.now()
    expect(await spread(options(['a', 'b'], 1, { push }))).toEqual([])
    expect(performance.now() - from).toBeGreaterThan(50)
  }
})

it('receipts that come another way end the wait', async () => {
  let come = false
  let tell = () => {}
  const onReceipt = (listener: () => void) => {
    tell = listener
    return () => {}
  }
  const spreading = spread(options(['a'], 1, { push: never, isEnough: () => come, onReceipt, timeoutMs: 60_000, restMs: 1 }))
  await new Promise((resolve) => systemClock.after(5, () => resolve(undefined)))
  come = true
  tell()
  expect(await spreading).toEqual([])
})

it('others are asked for theirs when the first are not enough, and only then', async () => {
  const asked: string[] = []
  const push = async (peer: string, time: string) => {
    asked.push(`${peer} ${time}`)
    return peer !== 'down'
  }
  await spread(options(['a', 'b'], 2, { push, others: ['c'] }))
  expect(asked).toEqual(['a first', 'b first'])
  await spread(options(['a', 'down'], 2, { push, others: ['c'], timeoutMs: 5000 }))
  expect(asked.slice(2)).toEqual(['a first', 'down first', 'c again'])
})

it('a peer whose connection breaks is asked again; one that refuses is not, and nobody once there are enough', async () => {
  const asked: string[] = []
  const push = async (peer: string) => {
    asked.push(peer)
    if (peer === 'refuses') throw new OsirisError('invalid_argument', 'Cannot accept the entry: it is not')
    if (asked.filter((each) => each === peer).length === 1) throw new OsirisError('outcome_unknown', 'Cannot ask: the connection ended')
    return true
  }
  expect(await spread(options(['back', 'refuses'], 1, { push, timeoutMs: 5000 }))).toEqual(['back'])
  expect(asked.filter((peer) => peer === 'back')).toHaveLength(2)
  expect(asked.filter((peer) => peer === 'refuses')).toHaveLength(1)
  asked.splice(0)
  await spread(options(['here', 'back'], 0, { push, timeoutMs: 5000 }))
  await new Promise((resolve) => systemClock.after(300, () => resolve(undefined)))
  expect(asked).toEqual(['here', 'back'])
})
