import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'

/** Writes 4 MB of log, looks how late its turns are, tells stdout, waits to be told to go, writes its last words. */
const LOGGING = `
const { createLogger } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
const logger = createLogger({ level: 'info', name: 'a' })
let longest = 0
const turn = () => new Promise((resolve) => setImmediate(resolve))
for (let i = 0; i < 4000; i++) {
  const from = performance.now()
  logger.info('x'.repeat(1000))
  await turn()
  longest = Math.max(longest, performance.now() - from)
}
process.stdout.write(String(longest))
await new Promise((resolve) => process.stdin.once('data', resolve))
logger.info('the last words')
process.exit(0)`

const LAST = `
const { createLogger } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
const logger = createLogger({ level: 'info', name: 'a' })
for (let i = 1; i < 500; i++) logger.info('x'.repeat(1000))
logger.info('the last words')
process.exit(1)`

it.each([
  ['a socket', process.execPath, ['--input-type=module', '-e', LOGGING]],
  ['a pipe', '/bin/sh', ['-c', '{ "$0" --input-type=module -e "$1" 2>&1 >&3 | cat >&2; } 3>&1', process.execPath, LOGGING]],
])('nobody who reads %s slowly holds the process up, and lines that were dropped are counted', async (_, command, args) => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const [held] = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(8000) })) as [Buffer]
  expect(Number(String(held))).toBeLessThan(500)
  let log = ''
  child.stderr.on('data', (data: Buffer) => (log += String(data)))
  child.stdin.end('go')
  await ended
  if (!child.stderr.readableEnded) await once(child.stderr, 'end')
  const lines = log
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; lines?: number })
  const [dropped, ...more] = lines.filter((line) => line.lines !== undefined)
  expect(dropped?.msg).toMatch(/^\d+ lines were dropped/)
  expect(lines.length - 1 + (dropped?.lines ?? 0)).toBe(4001)
  expect(more).toEqual([])
})

it('the last words of a process that ends at once are written', () => {
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', LAST], { encoding: 'utf8' })
  expect(stderr.trim().split('\n')).toHaveLength(500)
  expect(stderr).toContain('the last words')
})
