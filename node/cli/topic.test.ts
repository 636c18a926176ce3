import { expect, it } from 'vitest'
import { asked, node, osiris, useFolder } from './commands.fixture.ts'

useFolder()
const letter = {
  ...{ id: 'a1b2c3d4'.repeat(4), message: 'm', namespace: 'demo', topic: 'orders', subscriber: 'demo:team', attempts: 8, publishedAt: 0 },
  ...{ publishedBy: 'ada', diedAt: Date.UTC(2026, 0, 1), error: { code: 'function_failed', message: 'Cannot run: \u001b[31mno' } },
}
const other = { ...letter, id: 'a1b2c3ff'.repeat(4) }

it('publish sends JSON, or a text, to a topic of the namespace, and prints the id', async () => {
  expect(await osiris(['topic', 'publish', 'demo/orders', '{"n":1}', '--id', 'm7', '--key', 'k'])).toMatchObject({
    code: 0,
    out: 'm7\n',
    err: '',
  })
  await osiris(['topic', 'publish', 'orders', 'hello', '--namespace', 'demo'])
  expect((await osiris(['topic', 'publish', 'orders', '--namespace', 'demo', '--json'])).out).toBe('{"id":"made-up","subscribers":1}\n')
  expect(asked).toEqual([
    ['publish', 'demo/orders', { n: 1 }, { id: 'm7', key: 'k' }],
    ['publish', 'demo/orders', 'hello', {}],
    ['publish', 'demo/orders', null, {}],
  ])
})

it('list shows who subscribes, and says how where nobody does', async () => {
  const subscriptions = [{ function: 'demo/bill', topic: 'demo/orders.*', group: 'team', attempts: 8, backoffMs: 1500 }]
  const { out } = await osiris(['topic', 'list', 'demo'], node({ subscriptions }))
  expect(out.split('\n').map((line) => line.split(/ {2,}/))[1]).toEqual(['demo/orders.*', 'demo/bill', 'team', '8', '1.5s'])
  expect(await osiris(['topic', 'list', '--namespace', 'demo'])).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringContaining('subscribe:'),
  })
  expect(await osiris(['topic', 'list'])).toMatchObject({ code: 2, err: expect.stringContaining('--namespace') })
})

it('dead lists what was given up, and shows one with its data; nothing in it steers the terminal', async () => {
  const api = node({ letters: [letter, other] })
  const { out } = await osiris(['topic', 'dead', '--namespace', 'demo', '--limit', '5'], api)
  expect(out).toContain('a1b2c3d4a1b2  demo/orders  demo:team   8         2026-01-01T00:00:00Z  function_failed: Cannot run: \\u001b[31mno')
  expect(asked).toEqual([['letters', 'demo', 5]])
  const shown = await osiris(['topic', 'dead', 'a1b2c3d4', '--namespace', 'demo'], api)
  expect(JSON.parse(shown.out)).toMatchObject({ id: letter.id, data: { n: 1 } })
  expect(await osiris(['topic', 'dead', '--namespace', 'demo'])).toMatchObject({ code: 0, out: '', err: 'No dead letters in "demo"\n' })
  expect(await osiris(['topic', 'dead', '--namespace', 'demo', '--limit', '0'], api)).toMatchObject({ code: 2 })
})

it('replay and remove take one, by enough of its id, or all', async () => {
  const api = node({ letters: [letter, other] })
  expect(await osiris(['topic', 'replay', 'a1b2c3d4', '--namespace', 'demo'], api)).toMatchObject({
    code: 0,
    err: 'Replayed a1b2c3d4a1b2\n',
  })
  expect((await osiris(['topic', 'remove', '--all', '--namespace', 'demo', '--json'], api)).out).toBe(
    `{"removed":["${letter.id}","${other.id}"]}\n`,
  )
  const decided = asked.filter(([verb]) => verb !== 'letters')
  expect(decided).toEqual([
    ['replay', 'demo', letter.id],
    ['forget', 'demo', letter.id],
    ['forget', 'demo', other.id],
  ])
  expect(await osiris(['topic', 'replay', 'a1b2', '--namespace', 'demo'], api)).toMatchObject({ code: 3 })
  expect(await osiris(['topic', 'replay', 'ffffffff', '--namespace', 'demo'], api)).toMatchObject({ code: 3 })
  expect(await osiris(['topic', 'replay', '--namespace', 'demo'], api)).toMatchObject({ code: 2 })
  expect(await osiris(['topic', 'replay', letter.id, '--all', '--namespace', 'demo'], api)).toMatchObject({ code: 2 })
})
