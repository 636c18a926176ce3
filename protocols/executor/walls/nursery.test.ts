import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { until } from '#protocols/until'
import { start } from './launch.ts'
import { Nursery } from './nursery.ts'
import { isRunning } from './processes.ts'
import type { Over, Started } from './started.ts'

let nursery = new Nursery()
afterEach(() => nursery.close())

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`osiris-nursery-${process.pid}-`))

async function opened(): Promise<Nursery> {
  nursery = new Nursery()
  nursery.open()
  // The first order shows that it takes them.
  await until(() => nursery.start(['/bin/true']) !== undefined)
  return nursery
}

function run(script: string, seccomp?: Buffer): { started: Started; over: Promise<Over>; said: () => string } {
  const started = nursery.start(['/bin/sh', '-c', script], seccomp) as Started
  const { promise: over, resolve } = Promise.withResolvers<Over>()
  let said = ''
  started.onOver(resolve)
  started.pipe.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return { started, over, said: () => said }
}

const parentOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[3])

test('what is not open starts nothing', () => {
  expect(new Nursery().start(['/bin/true'])).toBeUndefined()
})

test('a process gets its pipe, its filter and nothing of the environment, and its end is told', async () => {
  await opened()
  const { started, over, said } = run(
    'echo "$(cat <&4) $(env | grep -c NODE)" >&3; read word <&3; echo "$word" >&3; echo oops >&2; exit 7',
    Buffer.from('filter'),
  )
  started.pipe.write('word\n')
  expect(await over).toMatchObject({ code: 7, signal: null, stderr: 'oops\n' })
  await until(() => said() === 'filter 0\nword\n')
  expect(started.isOver).toBe(true)
})

test('many at once keep their own pipes', async () => {
  await opened()
  const all = Array.from({ length: 20 }, (_, i) => run(`echo ${i} >&3`))
  await Promise.all(all.map(({ over }) => over))
  await until(() => all.every(({ said }) => said() !== ''))
  expect(all.map(({ said }) => said())).toEqual(all.map((_, i) => `${i}\n`))
})

test('what cannot be started says so', async () => {
  await opened()
  const { promise: over, resolve } = Promise.withResolvers<Over>()
  nursery.start(['/nowhere/at/all'])?.onOver(resolve)
  expect(await over).toMatchObject({ error: expect.stringContaining('ENOENT') as string })
})

test('one that is to end before it began, ends', async () => {
  await opened()
  const launched = start({ command: ['/bin/sleep', '60'], monitored: false, nursery })
  expect(launched.pid).toBe(0)
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  launched.onEnded(({ reason }) => resolve(reason))
  launched.kill()
  await launched.exited()
  expect(await ended).toContain('SIGKILL')
})

test('when it is lost, so are those it started, and it comes back for the next ones', async () => {
  await opened()
  const { started, over } = run('sleep 60')
  await until(() => started.pid > 0)
  process.kill(parentOf(started.pid), 'SIGKILL')
  expect(await over).toMatchObject({ signal: 'SIGKILL' })
  await until(() => !isRunning(started.pid))
  nursery.open()
  await until(() => nursery.start(['/bin/true']) !== undefined)
})

test('without its folder it says so once, and leaves starting to others', async () => {
  await opened()
  // The pipe does not wait; neither do workers.
  const alive = run('until read word <&3; do sleep 0.02; done')
  await until(() => alive.started.pid > 0)
  for (const name of folders()) rmSync(`${tmpdir()}/${name}`, { recursive: true })
  const { promise: over, resolve } = Promise.withResolvers<Over>()
  nursery.start(['/bin/true'])?.onOver(resolve)
  expect(await over).toMatchObject({ error: expect.stringContaining('ENOENT') as string })
  expect(nursery.start(['/bin/true'])).toBeUndefined()
  alive.started.pipe.write('word\n')
  expect(await alive.over).toMatchObject({ code: 0 })
})

test('it leaves no folder behind, and takes away what nodes left that were killed', async () => {
  const stale = mkdtempSync(`${tmpdir()}/osiris-nursery-4194304-`)
  await opened()
  expect(existsSync(stale)).toBe(false)
  expect(folders()).toHaveLength(1)
  nursery.close()
  expect(folders()).toEqual([])
})
