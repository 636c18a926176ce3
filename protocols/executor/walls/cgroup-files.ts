/** Where the control groups of this process are: /proc/self/cgroup and /proc/self/mountinfo (cgroups(7), proc(5)). Pure. */
import { resolve } from 'node:path'

export interface GroupFolders {
  version: 1 | 2
  /** The folder of this process, in which children are made. */
  memory?: string
  /** Of its own in version 1, the same in version 2. */
  pids?: string
  /** Likewise. */
  cpu?: string
}

interface GroupMount {
  point: string
  root: string
  /** Empty for version 2. */
  controllers: string[]
}

/** Version 1 where its memory controller is mounted: a host with both has given the controller to one of them. */
export function groupFolders(cgroup: string, mountinfo: string): GroupFolders | undefined {
  const mounts = parseMounts(mountinfo)
  const own = new Map(cgroup.split('\n').flatMap((line) => ownPath(line)))
  const folder = (controller: string) => {
    const mount = mounts.find((each) => each.controllers.includes(controller))
    const path = own.get(controller)
    return mount === undefined || path === undefined ? undefined : inMount(mount, path)
  }
  const memory = folder('memory')
  const [pids, cpu] = [folder('pids'), folder('cpu')]
  if (memory !== undefined) return { version: 1, memory, ...(pids === undefined ? {} : { pids }), ...(cpu === undefined ? {} : { cpu }) }
  const unified = mounts.find((each) => each.controllers.length === 0)
  const path = own.get('')
  if (unified === undefined || path === undefined) return undefined
  const all = inMount(unified, path)
  return { version: 2, memory: all, pids: all, cpu: all }
}

/** `4:memory:/a/b`, `8:cpu,cpuacct:/`, `0::/c`. */
function ownPath(line: string): [string, string][] {
  const [, controllers, ...path] = line.split(':')
  if (controllers === undefined || path.length === 0) return []
  return controllers.split(',').map((controller) => [controller, path.join(':')])
}

/** `32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu` */
function parseMounts(mountinfo: string): GroupMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, point] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return []
    return [{ point, root, controllers: type === 'cgroup2' ? [] : options.split(',') }]
  })
}

/** A container sees its own group as the root of the mount, under a path of the host. */
function inMount({ point, root }: GroupMount, path: string): string {
  const below = root !== '/' && (path === root || path.startsWith(`${root}/`)) ? path.slice(root.length) : path
  return resolve(point, below.replace(/^\/+/, ''))
}
