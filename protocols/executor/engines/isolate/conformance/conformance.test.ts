/** The web APIs, shown inside real isolates. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callOf, serviceIn, valueOf, World } from '../../../executor.world.ts'
import { cases as crypto } from './crypto.cases.ts'
import { cases as encoding } from './encoding.cases.ts'
import { cases as files } from './files.cases.ts'
import { type Cases, programOf } from './program.ts'

const GROUPS: Record<string, Cases> = { crypto, encoding, files }

const world = new World()
const executor = serviceIn(world)
beforeAll(() => executor.start())
afterAll(() => executor.stop())

describe.each(Object.entries(GROUPS))('%s', (_group, cases) => {
  const record = world.define(programOf(cases))
  test.each(Object.keys(cases))('%s', async (row) => {
    expect(valueOf(await executor.invoke(callOf(record, [row])))).toEqual([])
  })
})

test('a case that fails, throws or does not end is told', async () => {
  const record = world.define(
    programOf({ X: { a: 'equal([-0], [0])', b: 'throws(() => 1, Error)', c: 'await new Promise(() => {})', d: 'ok(true)' } }),
  )
  const failed = valueOf(await executor.invoke(callOf(record, ['X'])))
  expect(failed).toEqual(['a: Error: found [-0], wanted [0]', 'b: Error: did not throw', 'c: Error: it did not end'])
})
