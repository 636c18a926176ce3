/** `npm run test:hostile [-- --runs N] [--only TEXT]`: every hostile case N times (default 1); with TEXT those with it in "section: name". */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { node, setup } from './setup.js'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '1' }, only: { type: 'string', default: '' } } })
await setup()
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const env = { ...process.env, HOSTILE_RUNS: values.runs, HOSTILE_ONLY: values.only }
const { status } = spawnSync(node, [vitest, 'run', 'fixtures/hostile'], { env, stdio: 'inherit' })
// A worker that was taken over is played by a program in its place, for which there is no function to deploy.
const frames = [vitest, 'run', 'protocols/executor/fuzz.test.ts']
const fuzzed =
  values.only === '' ? spawnSync(node, frames, { env: { ...process.env, HOSTILE_FRAMES: '100000' }, stdio: 'inherit' }).status : 0
process.exitCode = status === 0 ? (fuzzed ?? 1) : (status ?? 1)
