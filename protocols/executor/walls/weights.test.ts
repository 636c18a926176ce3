/** Real workers: what the kernel is told about a namespace that computes, and about one that does not. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { until } from '#protocols/until'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import { groupFolders } from './cgroup-files.ts'

const SPIN = 'export default (ms) => { const end = Date.now() + ms; while (Date.now() < end); return ms }'

/** What the kernel weighs a process with, in parts of what it gives everybody. */
function weightOf(pid: number): number {
  const folders = groupFolders(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))
  const folder = folders?.cpu ?? ''
  const idle = join(folder, 'cpu.idle')
  if (existsSync(idle) && readFileSync(idle, 'utf8').trim() === '1') return 0
  const shares = join(folder, 'cpu.shares')
  return existsSync(shares) ? Number(readFileSync(shares, 'utf8')) / 1024 : Number(readFileSync(join(folder, 'cpu.weight'), 'utf8')) / 100
}

const THE_LEAST = 0.0625

test('a namespace that spins has its worker behind the others until it has been quiet, a spare is behind until it is taken; where the host offers no weights the report says so', async () => {
  const world = new World()
  // So few that even a crowded host gives one that spins more than it may have.
  const executor = serviceIn(world, { spares: 1, hostCores: 0.1, limits: { shareWindowMs: 500 } })
  await executor.start()
  const [spin, calm] = ['greedy', 'calm'].map((namespace) => world.define(SPIN, { namespace })) as [FunctionRecord, FunctionRecord]
  const workers = () => Object.fromEntries(executor.status().workers.map(({ namespace, pid }) => [namespace ?? 'spare', pid]))
  try {
    for (const record of [spin, calm]) valueOf(await executor.invoke(callOf(record, [0])))
    const processors = executor.status().walls.find((each) => each.wall === 'processors')
    const offered = groupFolders(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))?.cpu !== undefined
    // Offered is not yet allowed.
    expect(processors?.state).toBeOneOf(offered ? ['stands', 'missing'] : ['missing'])
    expect(processors?.fix === undefined).toBe(processors?.state === 'stands')
    if (processors?.state !== 'stands') return
    const weights = () => ['greedy', 'calm'].map((name) => weightOf(workers()[name] ?? 0))
    // Wherever their starts brought them on a crowded host.
    await until(() => weights().every((each) => each === 1))
    // Those it started with were taken: this one replaces them.
    await until(() => workers()['spare'] !== undefined && weightOf(workers()['spare'] ?? 0) < THE_LEAST + 0.01)
    const enough = new AbortController()
    const spinning = executor.invoke(callOf(spin, [9000], { signal: enough.signal }))
    await until(() => (weights()[0] ?? 1) < THE_LEAST + 0.01 && weights()[1] === 1, 8000)
    enough.abort()
    await spinning
    // By now perhaps in another worker, and not before its namespace has its share again.
    await until(async () => (await executor.invoke(callOf(spin, [0]))).kind === 'value')
    await until(() => weights()[0] === 1, 8000)
  } finally {
    await executor.stop()
  }
}, 30_000)
