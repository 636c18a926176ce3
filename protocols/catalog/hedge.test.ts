import { expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { systemClock } from '#protocols/lifecycle'
import { firstOf, type HedgeOptions } from './hedge.ts'

const options: HedgeOptions = {
  clock: systemClock,
  hedgeMs: 10,
  inFlightMax: 2,
  goesOn: (error) => error.code !== 'forbidden',
  none: () => new OsirisError('unavailable', 'Cannot ask: nobody is there'),
}

const never = () => new Promise<never>(() => {})
const fail = (code: 'unavailable' | 'not_found' | 'forbidden') => Promise.reject(new OsirisError(code, code))

it('the first answer wins, and the others are told', async () => {
  const signals: AbortSignal[] = []
  const result = await firstOf(
    ['slow', 'quick', 'never asked'],
    (each, signal) => {
      signals.push(signal)
      return each === 'slow' ? never() : Promise.resolve(each)
    },
    options,
  )
  expect(result).toBe('quick')
  expect(signals.map((signal) => signal.aborted)).toEqual([true, true])
})

it('after a failure the next one is asked, and the most telling failure is thrown', async () => {
  const asked: string[] = []
  const attempt = (each: 'unavailable' | 'not_found') => {
    asked.push(each)
    return fail(each)
  }
  await expect(firstOf(['unavailable', 'not_found', 'unavailable'] as const, attempt, options)).rejects.toMatchObject({ code: 'not_found' })
  expect(asked).toHaveLength(3)
})

it('a failure that ends the search is thrown at once', async () => {
  let asked = 0
  const attempt = () => {
    asked += 1
    return fail('forbidden')
  }
  await expect(firstOf([1, 2], attempt, options)).rejects.toMatchObject({ code: 'forbidden' })
  expect(asked).toBe(1)
})

it('no candidate is an error of its own', async () => {
  await expect(firstOf([], never, options)).rejects.toThrow(/nobody is there/)
})

it('two that answer in one tick are both heard', async () => {
  const gate = Promise.withResolvers<void>()
  const attempt = async (each: string) => {
    await gate.promise
    if (each === 'bad') throw new OsirisError('unavailable', 'bad')
    return each
  }
  const result = firstOf(['bad', 'good'], attempt, options)
  systemClock.after(30, gate.resolve)
  expect(await result).toBe('good')
})
