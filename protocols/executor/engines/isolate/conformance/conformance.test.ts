/** What WEB-APIS.md says, shown inside real isolates. */
import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callOf, serviceIn, valueOf, World } from '../../../executor.world.ts'
import { cases as crypto } from './crypto.cases.ts'
import { cases as dom } from './dom.cases.ts'
import { cases as encoding } from './encoding.cases.ts'
import { cases as fetching } from './fetch.cases.ts'
import { cases as files } from './files.cases.ts'
import { cases as html } from './html.cases.ts'
import { type Cases, programOf } from './program.ts'
import { cases as streams } from './streams.cases.ts'
import { cases as url } from './url.cases.ts'

const GROUPS: Record<string, Cases> = { crypto, dom, encoding, fetching, files, html, streams, url }

const world = new World()
const executor = serviceIn(world)
beforeAll(() => executor.start())
afterAll(() => executor.stop())

async function run(source: string, ...args: unknown[]): Promise<unknown> {
  return valueOf(await executor.invoke(callOf(world.define(source), args)))
}

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

describe('WEB-APIS.md', () => {
  const rows = readFileSync(new URL('../WEB-APIS.md', import.meta.url), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, name, state] = /^\| `([\w.]+)`[^|]* \| (present|partial|absent) \|/.exec(line) ?? []
      return name === undefined ? [] : [{ name, state }]
    })

  test('what it says is present, partial or absent is so', async () => {
    const source = `export default (...names) => names.filter((name) => name.split('.').reduce((at, key) => at?.[key], globalThis) !== undefined)`
    const names = rows.map(({ name }) => name)
    const there: string[] = []
    for (let at = 0; at < names.length; at += 64) there.push(...((await run(source, ...names.slice(at, at + 64))) as string[]))
    expect(there).toEqual(rows.flatMap(({ name, state }) => (state === 'absent' ? [] : [name])))
  })
  test('every global that is not of the language has a row', async () => {
    const globals = (await run('export default () => Object.getOwnPropertyNames(globalThis)')) as string[]
    const language = runInNewContext('Object.getOwnPropertyNames(globalThis)') as string[]
    const named = new Set([...language, ...rows.map(({ name }) => name.split('.')[0])])
    expect(globals.filter((name) => !named.has(name))).toEqual([])
  })
  test('every row that is not absent has a case, and every case a row', () => {
    const shown = Object.values(GROUPS).flatMap((cases) => Object.keys(cases))
    expect(shown.toSorted()).toEqual(rows.flatMap(({ name, state }) => (state === 'absent' ? [] : [name])).toSorted())
  })
})
