/** A canary on the command line: started, followed to its end, ended by hand. */
import { expect, it } from 'vitest'
import type { CanaryStatus } from '#sdk'
import { asked, node, osiris, useFolder } from './commands.fixture.ts'

useFolder()

const at = (parts: Partial<CanaryStatus> = {}): CanaryStatus => ({
  ...{
    alias: 'live',
    version: 'e'.repeat(64),
    weight: 10,
    steps: [10, 100],
    watchMs: 1000,
    startedAt: 1,
    since: 1,
    state: 'running',
    why: '',
    by: 'ada',
  },
  ...parts,
})
const promote = (words: string[], canary?: CanaryStatus[]) =>
  osiris(['function', 'promote', 'demo/greet', ...words], canary === undefined ? undefined : node({ canary }))

it('is started with a share and a time, and followed until it ends well or badly', async () => {
  const done = await promote(['v2', '--canary', '10%', '--watch', '2s'], [at(), at({ weight: 100, state: 'done', why: 'it did no worse' })])
  expect(done).toMatchObject({ code: 0, out: '' })
  expect(asked[0]).toEqual(['canary', 'demo/greet', { version: 'v2', weight: 10, watchMs: 2000 }])
  expect(done.err).toContain('demo/greet@live: eeeeeeeeeeee has 10 % of the calls\n')
  expect(done.err).toContain('has all calls: it did no worse')
  const back = await promote(['v2', '--canary', '--json'], [at(), at({ weight: 0, state: 'turned back', why: 'it \u001b[31mfails' })])
  expect(back.code).toBe(1)
  const lines = back.out
    .trim()
    .split('\n')
    .map((each) => JSON.parse(each) as CanaryStatus)
  expect(lines.map(({ weight, state }) => [weight, state])).toEqual([
    [10, 'running'],
    [0, 'turned back'],
  ])
  expect(back.out).not.toContain('\u001b')
})

it('is left alone when nobody wants to wait, and ended by hand', async () => {
  const detached = await promote(['v2', '--canary', '20', '--detach'], [at({ weight: 20 })])
  expect(detached).toMatchObject({ code: 0, err: expect.stringContaining('it goes on by itself') as string })
  expect(await promote(['--abort'])).toMatchObject({ code: 0, err: expect.stringContaining('has none, aborted: by hand') as string })
  expect(asked.at(-1)).toEqual(['abort', 'demo/greet'])
})

it('words that mean nothing are refused before anything is asked', async () => {
  const before = asked.length
  for (const wrong of [
    [],
    ['v2', '--canary', '0'],
    ['v2', '--canary', '100%'],
    ['v2', '--canary', 'x'],
    ['v2', '--canary', '10', '--weight', '5'],
    ['v2', '--canary', '10', '--watch', 'soon'],
    ['v2', '--watch', '5m'],
    ['v2', '--detach'],
  ])
    expect(await promote(wrong)).toMatchObject({ code: 2 })
  expect(asked).toHaveLength(before)
})
