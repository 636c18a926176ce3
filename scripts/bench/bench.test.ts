import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMet, type Row, tried } from './bench.ts'
import { background, until } from './children.ts'
import { Cleanup } from './cleanup.ts'
import { rows } from './figures/warm-call.ts'
import { table } from './report.ts'
import { interleave } from './rounds.ts'
import { median, percentile } from './stats.ts'
import { EXPECTED, greet, SOURCE } from './subject.ts'

const row = (measured: number, kind: 'least' | 'most', value: number): Row => ({
  what: 'x',
  measured,
  unit: 'ms',
  bar: { kind, value },
  detail: {},
})

describe('percentile()', () => {
  it('is the value in the middle, and between two of them', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(percentile([0, 100], 99)).toBe(99)
  })

  it('stays within the values and rises with p', () => {
    const values = fc.array(fc.integer(), { minLength: 1 })
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 99 }), (list, p) => {
        expect(percentile(list, p)).toBeGreaterThanOrEqual(Math.min(...list))
        expect(percentile(list, p + 1)).toBeLessThanOrEqual(Math.max(...list))
        expect(percentile(list, p + 1)).toBeGreaterThanOrEqual(percentile(list, p))
      }),
    )
  })

  it('refuses to make a figure from nothing', () => expect(() => median([])).toThrow('nothing'))
})

it('a bar is met at its own value, and on its own side', () => {
  expect([row(1.5, 'least', 1.5), row(1.49, 'least', 1.5), row(150, 'most', 150), row(151, 'most', 150)].map(isMet)).toEqual([
    true,
    false,
    true,
    false,
  ])
})

it('the table has one line per row and says what is not met', () => {
  const lines = table([row(1200, 'most', 1000), row(900, 'most', 1000)]).split('\n')
  expect(lines).toEqual(['figure  measured         bar  met', 'x       1,200 ms  ≤ 1,000 ms   NO', 'x         900 ms  ≤ 1,000 ms  yes'])
})

it('rows() compares medians, so that one disturbed round decides nothing', () => {
  const round = (requestsPerSecond: number, p99Us: number) => ({ requestsPerSecond, p50Us: 1, p99Us })
  const results = {
    osiris: [round(30_000, 900), round(100, 90_000), round(30_000, 900)],
    workerd: [round(20_000, 1000), round(20_000, 1000), round(90_000, 10)],
    hono: [round(50_000, 1000), round(50_000, 1000), round(50_000, 1000)],
  }
  expect(rows(results).map((each) => each.measured)).toEqual([1.5, 0.9, 0.6])
})

it('interleave() takes turns', async () => {
  const order: string[] = []
  const results = await interleave(2, ['a', 'b'], async (name) => order.push(name))
  expect(order).toEqual(['a', 'b', 'a', 'b'])
  expect(results).toEqual({ a: [1, 3], b: [2, 4] })
})

describe('Cleanup', () => {
  it('undoes every step once, last first, and throws what failed at the end', async () => {
    const order: number[] = []
    const cleanup = new Cleanup()
    cleanup.add(async () => void order.push(1))
    cleanup.add(() => Promise.reject(new Error('broken')))
    const early = cleanup.add(async () => void order.push(3))
    await early()
    await expect(cleanup.run()).rejects.toThrow('broken')
    await expect(cleanup.run()).rejects.toThrow('broken')
    expect(order).toEqual([3, 1])
  })

  it('starts nothing once the undoing has begun, and tells what is under way', async () => {
    const cleanup = new Cleanup()
    const { signal } = cleanup
    await cleanup.run()
    expect(signal.aborted).toBe(true)
    expect(() => background(cleanup, process.execPath, ['-e', ''])).toThrow('the run is ending')
  })

  it('ends a background process that nobody stopped', async () => {
    const cleanup = new Cleanup()
    const child = background(cleanup, process.execPath, ['-e', 'console.log("up"); setInterval(() => {}, 1000)'])
    expect(await child.firstLine).toBe('up')
    await cleanup.run()
    expect(() => process.kill(child.pid, 0)).toThrow('ESRCH')
  })
})

it('a background process that ends without a word is an error with what it said', async () => {
  const cleanup = new Cleanup()
  const child = background(cleanup, process.execPath, ['-e', 'console.error("no such thing"); process.exit(3)'])
  await expect(child.firstLine).rejects.toThrow(/ended with 3: no such thing/)
  await cleanup.run()
})

it('until() gives up with the last reason', async () => {
  await expect(until('it works', 1, 30, () => Promise.reject(new Error('why')))).rejects.toMatchObject({
    message: 'it works: not within 30 ms',
    cause: new Error('why'),
  })
})

it('tried() says what failed or took too long, and goes on; a run that was ended is not', async () => {
  const [said, cleanup]: [string[], Cleanup] = [[], new Cleanup()]
  const bench = { say: (text: string) => void said.push(text), cleanup }
  expect(await tried(bench, 'a', 1000, async () => 1)).toBe(1)
  expect(await tried(bench, 'b', 1000, () => Promise.reject(new Error('why')))).toBeUndefined()
  expect(await tried(bench, 'c', 20, () => new Promise(() => {}))).toBeUndefined()
  expect(said).toEqual(['b failed: why', 'c failed: it takes more than 0.02 s'])
  const ended = tried(bench, 'd', 10_000, () => new Promise(() => {}))
  await cleanup.run()
  await expect(ended).rejects.toThrow(/abort/i)
})

it('the source every contender serves is the function Node runs itself', async () => {
  const module = (await import(`data:text/javascript,${encodeURIComponent(SOURCE)}`)) as { default: typeof greet }
  expect(module.default('Ada', 2)).toEqual(EXPECTED)
  expect(greet('Ada', 2)).toEqual(EXPECTED)
})
