import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { groupFolders } from './cgroup-files.ts'
import { Cgroups, oomKills, ownerOf } from './cgroup.ts'

describe('where the groups are', () => {
  const V1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:31 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`
  const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate'

  test('version 1, also beside an empty version 2', () => {
    const cgroup = '8:pids:/\n4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n'
    expect(groupFolders(cgroup, V1)).toEqual({
      version: 1,
      memory: '/sys/fs/cgroup/memory/jobs/7',
      pids: '/sys/fs/cgroup/pids',
      cpu: '/sys/fs/cgroup/cpu,cpuacct',
    })
  })
  test('version 2', () => {
    const folder = '/sys/fs/cgroup/user.slice/a:b.scope'
    expect(groupFolders('0::/user.slice/a:b.scope\n', V2)).toEqual({ version: 2, memory: folder, pids: folder, cpu: folder })
  })
  test('a container sees its own group as the root', () => {
    const mounted = '35 31 0:30 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory'
    expect(groupFolders('4:memory:/docker/ab\n', mounted)).toEqual({ version: 1, memory: '/sys/fs/cgroup/memory' })
    expect(groupFolders('4:memory:/docker/ab/c\n', mounted)).toEqual({ version: 1, memory: '/sys/fs/cgroup/memory/c' })
  })
  test('a host without any', () => {
    expect(groupFolders('', '31 23 0:28 / / rw - ext4 /dev/vda rw')).toBeUndefined()
  })
})

describe('version 2', () => {
  let root: string
  let own: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'osiris-groups-'))
    own = join(root, 'fs/node.scope')
    for (const folder of ['proc/self', `proc/${process.pid}`]) mkdirSync(join(root, folder), { recursive: true })
    mkdirSync(own, { recursive: true })
    writeFileSync(join(root, 'proc/self/cgroup'), '0::/node.scope\n')
    writeFileSync(join(root, 'proc/self/mountinfo'), `30 23 0:26 / ${join(root, 'fs')} rw - cgroup2 cgroup2 rw\n`)
    writeFileSync(join(root, `proc/${process.pid}/stat`), statOf(777))
    writeFileSync(join(own, 'cgroup.controllers'), 'cpu memory pids\n')
    writeFileSync(join(own, 'cgroup.subtree_control'), '')
    writeFileSync(join(own, 'cgroup.procs'), `${process.pid}\n`)
  })
  afterEach(() => rmSync(root, { recursive: true }))
  const statOf = (start: number) => `1 (a ) b) S ${'0 '.repeat(18)}${start} 0`
  const open = () => new Cgroups({ tasksMax: 70, proc: join(root, 'proc') })

  test('a node that is alone in its group moves into a child, and gives the controllers to the others', () => {
    open()
    expect(readFileSync(join(own, `osiris-${process.pid}-777-node/cgroup.procs`), 'utf8')).toBe(String(process.pid))
    expect(readFileSync(join(own, 'cgroup.subtree_control'), 'utf8')).toBe('+memory +pids +cpu')
  })
  test('beside other processes it stays where it is, and says so', () => {
    writeFileSync(join(own, 'cgroup.procs'), `${process.pid}\n1\n`)
    expect(open).toThrow('other processes')
    writeFileSync(join(own, 'cgroup.controllers'), 'cpu\n')
    expect(open).toThrow('not delegated')
    expect(readdirSync(own).filter((name) => name.startsWith('osiris-'))).toEqual([])
  })
  test('a group has its limits before anybody is in it; they go up at once, and down when the memory is free', () => {
    writeFileSync(join(own, 'cgroup.subtree_control'), 'memory pids cpu')
    const group = open().open(100e6)
    const file = (name: string) => readFileSync(join(group.folders[0] ?? '', name), 'utf8')
    expect([file('memory.max'), file('memory.swap.max'), file('pids.max')]).toEqual(['100000000', '0', '70'])
    group.allow(200e6)
    expect(file('memory.max')).toBe('200000000')
    writeFileSync(join(group.folders[0] ?? '', 'memory.current'), '150000000')
    group.allow(160e6)
    expect(file('memory.max')).toBe('200000000')
    writeFileSync(join(group.folders[0] ?? '', 'memory.current'), '100000000')
    group.allow(160e6)
    expect(file('memory.max')).toBe('160000000')
    expect(group.wasKilled()).toBe(false)
    writeFileSync(join(group.folders[0] ?? '', 'memory.events'), 'max 3\noom 1\noom_kill 1\noom_group_kill 0\n')
    expect(group.wasKilled()).toBe(true)
  })
  test('a limit that cannot be changed now stays, and follows when somebody comes again', () => {
    writeFileSync(join(own, 'cgroup.subtree_control'), 'memory pids cpu')
    const group = open().open(100e6)
    const [limit, usage] = ['memory.max', 'memory.current'].map((name) => join(group.folders[0] ?? '', name)) as [string, string]
    rmSync(limit)
    mkdirSync(limit)
    group.allow(200e6)
    rmSync(limit, { recursive: true })
    group.allow(200e6)
    expect(readFileSync(limit, 'utf8')).toBe('200000000')
    rmSync(usage, { force: true })
    group.allow(160e6)
    expect(readFileSync(limit, 'utf8')).toBe('200000000')
  })
  test('processors are weighed where the controller is given, and memory is limited where it is not', () => {
    writeFileSync(join(own, 'cgroup.subtree_control'), 'memory pids cpu')
    const groups = open()
    expect(groups.hasWeights).toBe(true)
    const group = groups.open(100e6)
    const weight = join(group.folders[0] ?? '', 'cpu.weight')
    group.weigh('equal')
    expect(existsSync(weight)).toBe(false)
    group.weigh('behind')
    expect(readFileSync(weight, 'utf8')).toBe('6')
    group.weigh('equal')
    expect(readFileSync(weight, 'utf8')).toBe('100')
    rmSync(weight)
    group.weigh('equal')
    expect(existsSync(weight)).toBe(false)

    writeFileSync(join(own, 'cgroup.subtree_control'), 'memory pids')
    writeFileSync(join(own, 'cgroup.controllers'), 'memory pids')
    writeFileSync(join(own, 'cgroup.procs'), '1\n')
    const without = open()
    expect([without.hasTasks, without.hasWeights]).toEqual([true, false])
    const unweighed = without.open(100e6)
    unweighed.weigh('behind')
    expect(existsSync(join(unweighed.folders[0] ?? '', 'cpu.weight'))).toBe(false)
  })
  test('a manager that gave memory and not the processors is asked for them, and its no is taken', () => {
    writeFileSync(join(own, 'cgroup.subtree_control'), 'memory pids')
    writeFileSync(join(own, 'cgroup.procs'), '1\n')
    const control = join(own, 'cgroup.subtree_control')
    open()
    expect(readFileSync(control, 'utf8')).toBe('+cpu')
  })
})

describe('version 1', () => {
  let root: string
  const folder = (controller: string) => join(root, 'fs', controller)
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'osiris-groups-'))
    const controllers = ['memory', 'pids', 'cpu,cpuacct']
    for (const each of ['proc/self', ...controllers.map((name) => `fs/${name}/jobs`)]) mkdirSync(join(root, each), { recursive: true })
    writeFileSync(join(root, 'proc/self/cgroup'), controllers.map((name, id) => `${id + 1}:${name}:/jobs\n`).join(''))
    const mounts = controllers.map((name, id) => `3${id} 31 0:3${id} / ${folder(name)} rw - cgroup cgroup rw,${name}\n`)
    writeFileSync(join(root, 'proc/self/mountinfo'), mounts.join(''))
  })
  afterEach(() => rmSync(root, { recursive: true }))
  const open = () => new Cgroups({ tasksMax: 70, proc: join(root, 'proc') })

  test('a group is in each hierarchy, memory first, and its weight is written when it changes', () => {
    const groups = open()
    expect([groups.version, groups.hasTasks, groups.hasWeights]).toEqual([1, true, true])
    const group = groups.open(100e6)
    const own = join(folder('cpu,cpuacct'), `jobs/osiris-${process.pid}-0-node`)
    expect(group.folders.map((each) => dirname(each))).toEqual([...['memory', 'pids'].map((name) => join(folder(name), 'jobs')), own])
    expect(readFileSync(join(own, 'cgroup.procs'), 'utf8')).toBe(String(process.pid))
    const shares = join(group.folders[2] ?? '', 'cpu.shares')
    expect(existsSync(shares)).toBe(false)
    group.weigh('behind')
    expect(readFileSync(shares, 'utf8')).toBe('64')
    group.weigh('equal')
    expect(readFileSync(shares, 'utf8')).toBe('1024')
    const idle = join(group.folders[2] ?? '', 'cpu.idle')
    writeFileSync(idle, '0')
    group.weigh('behind')
    expect([idle, shares].map((each) => readFileSync(each, 'utf8'))).toEqual(['1', '1024'])
  })
  test('what a node that was killed left is removed by the next one, with the groups of its workers; what another node has below it stays', () => {
    const dead = join(folder('cpu,cpuacct'), 'jobs/osiris-999999999-7-node')
    const other = join(dead, 'osiris-1-2-node')
    for (const each of ['osiris-999999999-7-ab', 'osiris-1-2-node']) mkdirSync(join(dead, each), { recursive: true })
    open()
    expect(readdirSync(dead)).toEqual(['osiris-1-2-node'])
    rmSync(other, { recursive: true })
    open()
    expect(existsSync(dead)).toBe(false)
  })
  test('without a usable cpu hierarchy everything else is as it was', () => {
    rmSync(folder('cpu,cpuacct'), { recursive: true })
    const groups = open()
    expect([groups.hasTasks, groups.hasWeights]).toEqual([true, false])
    const group = groups.open(100e6)
    expect(group.folders).toHaveLength(2)
    group.weigh('behind')
  })
  test('a weight that cannot be written ends nothing', () => {
    const group = open().open(100e6)
    rmSync(group.folders[2] ?? '', { recursive: true })
    expect(() => group.weigh('behind')).not.toThrow()
  })
})

test('who ended a process is read from the files of both versions', () => {
  expect(oomKills('oom_kill_disable 0\nunder_oom 0\noom_kill 2\n')).toBe(2)
  expect(oomKills('low 0\nhigh 0\nmax 9\noom 1\noom_kill 0\n')).toBe(0)
  expect(oomKills('')).toBe(0)
})

test('a group names the node it belongs to', () => {
  expect(ownerOf('osiris-12-3456-0af1')).toEqual({ pid: 12, start: 3456 })
  for (const name of ['osiris-12', 'osiris.slice', 'osiris-a-1-b', 'x-osiris-1-2-3']) expect(ownerOf(name)).toBeUndefined()
})
