import { expect, it } from 'vitest'
import type { CallStatus, DeadCallback } from '#sdk'
import { asked, node, osiris, useFolder } from './commands.fixture.ts'

useFolder()
const done: CallStatus = {
  ...{ id: 'a1b2c3d4'.repeat(4), function: 'demo/greet', state: 'done', attempts: 1, value: { hello: 'Ada\u001b' } },
  ...{ createdAt: Date.UTC(2026, 0, 1), expiresAt: Date.UTC(2026, 0, 1, 1), endedAt: Date.UTC(2026, 0, 1, 0, 0, 2) },
}
const { value: _, ...rest } = done
const queued: CallStatus = {
  ...rest,
  ...{
    id: 'ff'.repeat(16),
    state: 'queued',
    attempts: 0,
    endedAt: null,
    error: { code: 'overloaded', message: 'Cannot place: \u001b[31mfull' },
  },
}
const api = () => node({ calls: [queued, done] })

it('call --async prints the id, and hands on arguments and callback', async () => {
  expect(await osiris(['call', 'demo/greet', 'Ada', '2', '--async'])).toEqual({ code: 0, out: 'made-up\n', err: '' })
  const callback = 'https://example.org/hook'
  const { out } = await osiris(['call', 'greet', '--namespace', 'demo', '--async', '--callback', callback, '--json'])
  expect(out).toBe('{"id":"made-up"}\n')
  expect(asked).toEqual([
    ['start', 'demo/greet', ['Ada', 2], {}],
    ['start', 'demo/greet', [], { callback }],
  ])
})

it.each([
  ['--callback', ['--callback', 'https://example.org/']],
  ['--idempotency-key', ['--async', '--idempotency-key', 'k']],
])('call refuses %s where it has no meaning, before anything is asked', async (option, words) => {
  expect(await osiris(['call', 'demo/greet', ...words])).toMatchObject({ code: 2, out: '', err: expect.stringContaining(option) })
  expect(asked).toEqual([])
})

it('list shows the calls of a namespace; nothing in it steers the terminal', async () => {
  const { out } = await osiris(['calls', 'list', 'demo', '--limit', '5'], api())
  const rows = out.split('\n').map((line) => line.split(/ {2,}/))
  expect(rows[1]).toEqual([queued.id, 'demo/greet', 'queued', '0', '2026-01-01T00:00:00Z', 'overloaded: Cannot place: \\u001b[31mfull'])
  expect(rows[2]).toEqual([done.id, 'demo/greet', 'done', '1', '2026-01-01T00:00:00Z', '2026-01-01T00:00:02Z'])
  expect(JSON.parse((await osiris(['calls', 'list', '--namespace', 'demo', '--json'], api())).out)).toEqual({ calls: [queued, done] })
  expect(asked).toEqual([
    ['calls', 'demo', 5],
    ['calls', 'demo', 100],
  ])
  expect(await osiris(['calls', 'list', 'demo'])).toMatchObject({ code: 0, out: '', err: expect.stringContaining('--async') })
  expect(await osiris(['calls', 'list'])).toMatchObject({ code: 2, err: expect.stringContaining('namespace') })
  expect(await osiris(['calls', 'list', 'demo', '--limit', '0'])).toMatchObject({ code: 2 })
})

it('show prints all that is known, and 3 where nothing is', async () => {
  expect(JSON.parse((await osiris(['calls', 'show', done.id], api())).out)).toEqual(done)
  expect(await osiris(['calls', 'show', '0'.repeat(32)], api())).toMatchObject({ code: 3, out: '' })
  await osiris(['calls', 'show', done.id, '--wait', '20s'], api())
  expect(asked.filter(([verb]) => verb === 'status').map((each) => each[2])).toEqual([{ waitMs: 0 }, { waitMs: 0 }, { waitMs: 20_000 }])
  expect(await osiris(['calls', 'show', done.id, '--wait', '1h'], api())).toMatchObject({ code: 2, err: expect.stringContaining('--wait') })
})

it('cancel says what became of it', async () => {
  const cancelled: CallStatus = { ...queued, state: 'cancelled' }
  const said = async (...calls: CallStatus[]) => (await osiris(['calls', 'cancel', queued.id], node({ calls }))).err
  expect(await said(cancelled)).toBe(`Cancelled ${queued.id}\n`)
  expect(await said({ ...queued, state: 'running' })).toContain('is running, and being cancelled')
  expect(await said({ ...queued, state: 'done' })).toContain('was over before')
  expect(JSON.parse((await osiris(['calls', 'cancel', queued.id, '--json'], node({ calls: [cancelled] }))).out)).toEqual(cancelled)
  expect(await osiris(['calls', 'cancel', queued.id])).toMatchObject({ code: 3 })
})

it('callbacks that were given up are listed, made again and forgotten; one by the id of its call, or all of a namespace', async () => {
  const callback: DeadCallback = {
    ...{ id: done.id, function: 'demo/greet', url: 'https://example.org/hook', attempts: 16, createdAt: 0, diedAt: Date.UTC(2026, 0, 2) },
    error: { code: 'unavailable', message: 'it answered 500\u001b' },
  }
  const api2 = () => node({ callbacks: [callback] })
  const { out } = await osiris(['calls', 'dead', 'demo'], api2())
  expect(out.split('\n')[1]?.split(/ {2,}/)).toEqual([
    ...[done.id, 'demo/greet', 'https://example.org/hook', '16', '2026-01-02T00:00:00Z', 'unavailable: it answered 500\\u001b'],
  ])
  expect(JSON.parse((await osiris(['calls', 'dead', '--namespace', 'demo', '--json'], api2())).out)).toEqual({ callbacks: [callback] })
  expect(await osiris(['calls', 'replay', done.id], api2())).toMatchObject({ code: 0, err: `Replayed ${done.id}\n` })
  expect(JSON.parse((await osiris(['calls', 'remove', '--all', '--namespace', 'demo', '--json'], api2())).out)).toEqual({
    removed: [done.id],
  })
  expect(asked.filter(([verb]) => String(verb).endsWith('Callback'))).toEqual([
    ['replayCallback', done.id],
    ['removeCallback', done.id],
  ])
  for (const words of [['replay'], ['remove', done.id, '--all'], ['dead']])
    expect(await osiris(['calls', ...words], api2())).toMatchObject({ code: 2 })
  expect(await osiris(['calls', 'dead', 'demo'])).toMatchObject({ code: 0, out: '', err: expect.stringContaining('given up') })
})

it('completion and help know them', async () => {
  expect((await osiris(['completion', 'bash'])).out).toContain('"osiris calls") words="list show cancel dead replay remove')
  expect((await osiris(['--help'])).out).toContain('calls that nobody waits for')
  expect((await osiris(['call', '--help'])).out).toContain('--callback <url>')
})
