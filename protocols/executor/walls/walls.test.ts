import { once } from 'node:events'
import { spawn, type StdioOptions } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism, homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEvents, type EventMap } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { until } from '#protocols/until'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import type { ExecutorService } from '../service.ts'
import { groupFolders } from './cgroup-files.ts'
import { wallsHost } from './host.ts'
import { INTRUDER } from './intruder.fixture.ts'
import { isRunning } from './processes.ts'
import type { WallState } from './report.ts'
import { JUDGED, REFUSED } from './syscalls.ts'

/** More than a worker that does nothing has. */
const USUAL_TASKS = 20
/** Looks without another one, after which it makes no more. */
const FURTHER_LOOKS = 100

const world = new World()
const folder = mkdtempSync(join(tmpdir(), 'osiris-walls-'))
const workerEntry = join(folder, 'intruder.cjs')
writeFileSync(workerEntry, INTRUDER)
afterAll(() => rmSync(folder, { recursive: true }))

const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)
/** Folders of groups, in every place a node of this host makes them. */
const groupsOf = (pid: number) => {
  const folders = groupFolders(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))
  return [folders?.memory, folders?.pids, folders?.cpu].flatMap((each) =>
    each === undefined || !existsSync(each) ? [] : readdirSync(each).filter((name) => name.startsWith(`osiris-${pid}-`)),
  )
}

describe('a worker in the hands of an attacker', () => {
  const events = createEvents()
  const ends: EventMap['worker.ended'][] = []
  events.on('worker.ended', (end) => ends.push(end))
  const executor = serviceIn(world, { workerEntry, events })
  const record = world.define('export default 1', { namespace: 'taken' })
  const act = async (...args: unknown[]) => valueOf(await executor.invoke(callOf(record, args)))
  const server = createServer((_, response) => response.end('hello'))
  let reached = 0
  let walls: Record<WallState['wall'], WallState>
  beforeAll(async () => {
    server.on('connection', () => reached++).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await executor.start()
    walls = Object.fromEntries(executor.status().walls.map((each) => [each.wall, each])) as typeof walls
  })
  afterAll(async () => {
    await executor.stop()
    server.close()
  })
  const workerPid = () => executor.status().workers.find((each) => each.namespace === 'taken')?.pid ?? 0
  /** What the host does not offer is said, and then nothing is promised. */
  const stands = (wall: WallState['wall']) => {
    const { state, by } = walls[wall]
    expect(by).not.toBe('')
    return state === 'stands'
  }
  const expectDenied = (got: unknown) => expect(got).toMatch(/^denied (?:EPERM|EACCES|ENOENT|EROFS|ESRCH|EAFNOSUPPORT)$/)

  test('reads nothing of the host', async () => {
    if (!stands('files')) return
    for (const path of [
      '/etc/passwd',
      '/proc/self/environ',
      '/proc/1/cmdline',
      '/proc/self/mountinfo',
      '/dev/null',
      '/sys/kernel/uevent_seqnum',
      workerEntry,
      process.execPath,
    ])
      expect(await act('read', path)).toBe('denied ENOENT')
    expect(await act('list', '/')).toEqual(['osiris'])
    expect(await act('list', '/osiris')).toEqual(['engines', 'lib', 'node', 'node_modules', 'worker'])
    expect(await act('list', homedir())).toBe('denied ENOENT')
  })
  test('writes nothing', async () => {
    if (!stands('files')) return
    for (const path of ['/x', '/osiris/x', '/osiris/worker/main.cjs', '/osiris/node', '/tmp/x']) expectDenied(await act('write', path))
  })
  test('connects to nobody', async () => {
    const got = await act('connect', (server.address() as AddressInfo).port, '127.0.0.1')
    expect([got === 'connected', reached > 0]).toEqual([!stands('network'), !stands('network')])
  })
  test('starts no program and reaches no other process', async () => {
    if (!stands('processes')) return
    expectDenied(await act('signal', process.pid))
    if (!stands('syscalls')) return
    for (const program of ['/osiris/node', '/bin/sh', process.execPath]) expectDenied(await act('run', program))
    expectDenied(await act('signal', 1))
  })
  test('makes no system call of those that are refused', async () => {
    if (!stands('syscalls')) return
    const at = process.arch === 'x64' ? 0 : 1
    // A Node without ffi has no way to ask (null); that the filter is there is seen from outside below.
    const got = await Promise.all(
      Object.entries(REFUSED).map(async ([name, numbers]) => [name, await act('raw', numbers[at] ?? numbers[0])] as const),
    )
    expect(got.filter(([, errno]) => errno !== 1 && errno !== null)).toEqual([])
    expect(await act('raw', JUDGED.clone[at], 17)).toBeOneOf([1, null])
    expect(await act('raw', JUDGED.clone3[at])).toBeOneOf([38, null])
    expect(await act('raw', JUDGED.prctl[at], 1, 0)).toBeOneOf([1, null])
    expect(await act('raw', 5000)).toBeOneOf([38, null])
    expect(await act('raw', 0x40000000 + 41)).toBeOneOf([1, null])
  })
  test('has no environment, no name, no privilege and no place', async () => {
    expect(await act('environment')).toEqual([])
    if (!stands('privileges')) return
    const { stack, ...who } = (await act('who')) as Record<string, unknown>
    expect(who).toEqual({ pid: 1, uid: 65534, path: 'node', host: 'osiris', cwd: '/' })
    expect(stack).not.toContain(folder)
    const status = readFileSync(`/proc/${workerPid()}/status`, 'utf8')
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapInh']) expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'))
    expect(/^Seccomp:\s+2$/m.test(status)).toBe(stands('syscalls'))
  })
  test('fills no memory outside the engine beyond its limit and 96 MB, and only its own call ends', async () => {
    const other = world.define('export default 1', { namespace: 'neighbour' })
    valueOf(await executor.invoke(callOf(other, ['environment'])))
    const bomb = world.define('export default 2', { namespace: 'bomb', config: { execution: { memory: '64MB' } } })
    expect(codeOf(await executor.invoke(callOf(bomb, ['buffers'])))).toBe('memory_exceeded')
    const reason = ends.find((each) => each.namespace === 'bomb')?.reason ?? ''
    expect(Number(/(\d+) MB/.exec(reason)?.[1])).toBeLessThanOrEqual(64 + 96 + (stands('memory') ? 0 : 400))
    expect(valueOf(await executor.invoke(callOf(other, ['environment'])))).toEqual([])
  })
  test('starts no threads without end', async () => {
    const many = world.define('export default 3', { namespace: 'many', config: { execution: { timeout: '60s', memory: '256MB' } } })
    const gone = new AbortController()
    let isOver = false
    const running = executor.invoke(callOf(many, ['threads'], { deadlineAt: performance.now() + 60_000, signal: gone.signal }))
    void running.then(() => (isOver = true))
    const most = 64 + 2 * availableParallelism()
    let tasks = 0
    // Until it has more than a worker needs and gets no more for a while: how many it can make before something else stops it is the host's matter. Or until it has ended over it.
    let further = 0
    let before = 0
    await until(() => {
      const pid = executor.status().workers.find((each) => each.namespace === 'many')?.pid ?? 0
      try {
        tasks = Math.max(tasks, readdirSync(`/proc/${pid}/task`).length)
      } catch {
        return isOver
      }
      further = tasks > before ? 0 : further + 1
      before = tasks
      return isOver || (tasks > USUAL_TASKS && further > FURTHER_LOOKS)
    }, 30_000)
    gone.abort()
    expect(codeOf(await running)).toBeOneOf(['unavailable', 'memory_exceeded', 'worker_crashed'])
    expect(tasks).toBeLessThanOrEqual(stands('tasks') ? most : Number.POSITIVE_INFINITY)
  }, 60_000)
})

describe('descriptors', () => {
  /** A node that was itself started with a file open on descriptor 30, as LevelDB opens its own: what its worker has in the end. */
  async function descriptorsOf(without: string): Promise<{ limits: string; open: [number, string][] }> {
    const secret = join(folder, 'secret')
    writeFileSync(secret, 'x')
    const script = `import { callOf, serviceIn, World } from ${JSON.stringify(join(import.meta.dirname, '../executor.world.ts'))}
      import { wallsHost } from ${JSON.stringify(join(import.meta.dirname, 'host.ts'))}
      import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
      const real = wallsHost(), world = new World()
      const executor = serviceIn(world, { spares: 0, wallsHost: { ...real, find: (name) => name === ${JSON.stringify(without)} ? undefined : real.find(name) } })
      await executor.start()
      setInterval(() => {}, 1000)
      await executor.invoke(callOf(world.define('export default () => 1')))
      const place = '/proc/' + executor.status().workers[0].pid
      const open = readdirSync(place + '/fd').map((name) => [Number(name), readlinkSync(place + '/fd/' + name)])
      console.log(JSON.stringify({ own: readlinkSync('/proc/self/fd/30'), open, limits: readFileSync(place + '/limits', 'utf8') }))
      await executor.stop()
      process.exit()`
    const file = openSync(secret, 'r+')
    const gap = Array<'ignore'>(27).fill('ignore')
    const stdio: StdioOptions = ['ignore', 'pipe', 'inherit', ...gap, file]
    const node = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: import.meta.dirname, stdio })
    closeSync(file)
    const { own, ...worker } = JSON.parse(await text(node.stdout as Readable)) as Awaited<ReturnType<typeof descriptorsOf>> & {
      own: string
    }
    expect(own).toBe(secret)
    return worker
  }
  test.runIf(process.platform === 'linux').each(['nothing', 'bwrap'])(
    'a worker has only its own, on a host without %s',
    async (without) => {
      const { open, limits } = await descriptorsOf(without)
      const kind = (target: string) => target.replace(/[[:].*/, '')
      expect(open.filter(([descriptor]) => descriptor <= 3).map(([, target]) => kind(target))).toEqual([
        '/dev/null',
        '/dev/null',
        'socket',
        'socket',
      ])
      // libuv keeps one in reserve: /dev/null, or the root where there is none.
      const others = open.filter(([descriptor]) => descriptor > 3).map(([, target]) => kind(target))
      expect(others.filter((each) => !['anon_inode', 'pipe', '/', '/dev/null'].includes(each))).toEqual([])
      expect(limits).toMatch(/^Max open files\s+64\s+64/m)
      expect(limits).toMatch(/^Max file size\s+0\s+0/m)
      expect(limits).toMatch(/^Max core file size\s+0\s+0/m)
    },
  )
})

test('a killed node leaves no worker, however busy, and its groups go with the next start', async () => {
  const script = `import { callOf, serviceIn, World } from ${JSON.stringify(join(import.meta.dirname, '../executor.world.ts'))}
    const world = new World(); const executor = serviceIn(world, { spares: 1, workerEntry: ${JSON.stringify(workerEntry)} }); await executor.start()
    setInterval(() => {}, 1000)
    const record = world.define('export default 1')
    await executor.invoke(callOf(record, ['environment'])); void executor.invoke(callOf(record, ['spin']))
    setTimeout(() => console.log(JSON.stringify([process.pid, ...executor.status().workers.map((worker) => worker.pid)])), 50)`
  const node = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(node.stdout, 'data')) as [Buffer]
  const [pid = 0, ...workers] = JSON.parse(line.toString()) as number[]
  expect(workers.length).toBeGreaterThan(0)
  node.kill('SIGKILL')
  await until(() => !workers.some(isRunning))
  const next = serviceIn(world, { spares: 0 })
  await next.start()
  await until(() => groupsOf(pid).length === 0)
  await next.stop()
})

test('a node that stops leaves no group', async () => {
  const own = serviceIn(world, { spares: 2, workerEntry })
  await own.start()
  await own.stop()
  await until(() => groupsOf(process.pid).length === 0)
  expect(groupsOf(process.pid)).toEqual([])
})

describe('where something is missing', () => {
  const greet = world.define('export default () => "hello"')
  async function withHost<T>(
    options: Parameters<typeof serviceIn>[1],
    look: (executor: ExecutorService, warnings: string[]) => Promise<T>,
  ): Promise<T> {
    const events = createEvents()
    const warnings: string[] = []
    events.on('log', (line) => warnings.push(line.text))
    const executor = serviceIn(world, { spares: 1, events, ...options })
    await executor.start()
    try {
      return await look(executor, warnings)
    } finally {
      await executor.stop()
    }
  }
  const stateOf = (executor: ExecutorService) => Object.fromEntries(executor.status().walls.map(({ wall, state }) => [wall, state]))
  const hostWithout = (...programs: string[]) => ({
    ...wallsHost(),
    find: (name: string) => (programs.includes(name) ? undefined : wallsHost().find(name)),
  })

  test('no bubblewrap: functions run, it is told once, and status says so', () =>
    withHost({ wallsHost: hostWithout('bwrap') }, async (executor, warnings) => {
      expect(valueOf(await executor.invoke(callOf(greet)))).toBe('hello')
      expect(stateOf(executor)).toMatchObject({ files: 'missing', syscalls: 'missing' })
      expect(executor.status().walls[0]).toMatchObject({
        by: 'bubblewrap is not installed',
        fix: expect.stringContaining('apt-get install bubblewrap'),
      })
      expect(warnings).toEqual([expect.stringContaining('files missing (bubblewrap is not installed)')])
    }))
  test('nothing at all: functions run', () =>
    withHost({ wallsHost: { ...wallsHost(), find: () => undefined } }, async (executor) => {
      expect(valueOf(await executor.invoke(callOf(greet)))).toBe('hello')
      expect(stateOf(executor)).toMatchObject({
        files: 'missing',
        network: 'missing',
        memory: 'weaker',
        processors: 'missing',
        limits: 'missing',
      })
    }))
  test('no control groups: memory is watched', () =>
    withHost(
      {
        wallsHost: {
          ...wallsHost(),
          cgroups: () => {
            throw new Error('not here')
          },
        },
      },
      async (executor) => {
        expect(valueOf(await executor.invoke(callOf(greet)))).toBe('hello')
        expect(executor.status().walls.find((each) => each.wall === 'memory')).toMatchObject({
          state: 'weaker',
          by: 'looked at every 20 ms (not here)',
        })
        const bomb = world.define(
          'export default () => { const b = new ArrayBuffer(0, { maxByteLength: 2e9 }); b.resize(2e9); new Uint8Array(b).fill(1) }',
          {
            namespace: 'bomb',
            config: { execution: { memory: '32MB' } },
          },
        )
        expect(codeOf(await executor.invoke(callOf(bomb)))).toBe('memory_exceeded')
      },
    ))
  test('a bubblewrap that does not work here is passed over, with its reason', () => {
    const broken = join(folder, 'bwrap')
    writeFileSync(broken, '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2; exit 1\n', { mode: 0o755 })
    const host = { ...wallsHost(), find: (name: string) => (name === 'bwrap' ? broken : wallsHost().find(name)) }
    return withHost({ wallsHost: host }, async (executor) => {
      expect(valueOf(await executor.invoke(callOf(greet)))).toBe('hello')
      expect(executor.status().walls[0]).toMatchObject({ state: 'missing', by: 'bwrap: No permissions to create new namespace' })
    })
  })
  test('a sandbox in which Node starts but no worker does is left for the next weaker one', () => {
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    const places = async () => {
      const real = await wallsHost().places()
      return { ...real, mounts: real.mounts.map((each) => (each.to.endsWith('/isolated-vm') ? { ...each, from: empty } : each)) }
    }
    return withHost({ wallsHost: { ...wallsHost(), places } }, async (executor) => {
      let outcome: Outcome | undefined
      await until(async () => (outcome = await executor.invoke(callOf(greet))).kind === 'value', 10_000)
      expect(valueOf(outcome as Outcome)).toBe('hello')
      expect(stateOf(executor)['files']).toBe('missing')
    })
  })
  test('required: no start without them', async () => {
    const executor = serviceIn(world, { walls: 'required', wallsHost: hostWithout('bwrap') })
    await expect(executor.start()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('Cannot start the executor: walls are required, and files: bubblewrap is not installed'),
    })
    await executor.stop()
  })
  test('off: a process and nothing else', () =>
    withHost({ walls: 'off' }, async (executor, warnings) => {
      expect(valueOf(await executor.invoke(callOf(greet)))).toBe('hello')
      expect(new Set(Object.values(stateOf(executor)))).toEqual(new Set(['missing', 'weaker']))
      expect(warnings).toEqual(['Walls are switched off: a worker is a process and nothing else'])
      expect(new Set(executor.status().walls.map((each) => each.fix))).toEqual(new Set(['leave out --walls off']))
    }))
})
