import { expect, it } from 'vitest'
import { LineQueue } from './line-queue.ts'
import type { Logger } from './logger.ts'

function world() {
  const written: string[][] = []
  let isTogether = false
  const line = (text: string) => void (isTogether ? written.at(-1)?.push(text) : written.push([text]))
  const logger: Logger = {
    ...{ debug: line, info: line, warn: line, error: line },
    together(write) {
      written.push([])
      isTogether = true
      write()
      isTogether = false
    },
  }
  return { written, queue: new LineQueue(logger) }
}

const lineOf = (text: string) => ({ level: 'info' as const, text, data: {} })
const turn = () => new Promise((resolve) => setImmediate(resolve))

it('a flood is written a little at a time, whole and in order, and others have their turns between', async () => {
  const { written, queue } = world()
  for (let i = 0; i < 1000; i++) queue.add('loud', lineOf(String(i)))
  expect(written).toEqual([])
  let turns = 0
  for (; written.flat().length < 1000 && turns < 1000; turns++) await turn()
  expect(turns).toBeGreaterThan(20)
  expect(written.flat()).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
  queue.writeAll()
})

it('what is left is written when the process ends', () => {
  const { written, queue } = world()
  for (let i = 0; i < 100; i++) queue.add('loud', lineOf(String(i)))
  queue.writeAll()
  expect(written.flat()).toHaveLength(100)
})

it('more than may wait is not kept, until there is room again', () => {
  const { queue } = world()
  const long = 'x'.repeat(1024 * 1024)
  const kept = Array.from({ length: 30 }, () => queue.add('loud', lineOf(long))).filter(Boolean).length
  expect(kept).toBe(17)
  queue.writeAll()
  expect(queue.add('loud', lineOf(long))).toBe(true)
  queue.writeAll()
})

it('whoever says a little does not wait for whoever floods', async () => {
  const { written, queue } = world()
  for (let i = 0; i < 5000; i++) queue.add('loud', lineOf('flood'))
  queue.add('quiet', lineOf('spoken'))
  await turn()
  expect(written.flat()).toContain('spoken')
  queue.writeAll()
  expect(written.flat()).toHaveLength(5001)
})
