import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { expect, it } from 'vitest'

const LOGGING = `
const { createLogger } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
const logger = createLogger({ level: 'info', name: 'a' })
for (let i = 0; i < 3; i++) {
  logger.error('a line')
  await new Promise((resolve) => setImmediate(resolve))
}
process.stdout.write('alive')`

it.runIf(process.platform === 'linux')('a log whose disk is full costs lines, never the process', () => {
  const full = openSync('/dev/full', 'w')
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', LOGGING], {
    stdio: ['ignore', 'pipe', full],
    encoding: 'utf8',
  })
  closeSync(full)
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'alive' })
})
