/** Which controllers the groups of workers can have, and having them in version 2 of control groups (cgroups(7), the kernel's cgroup-v2.rst). */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { GroupFolders } from './cgroup-files.ts'

/** Without the first there are no groups; each of the others is there or not by itself. */
const CONTROLLERS = ['memory', 'pids', 'cpu'] as const

/** The folder for groups with this controller; nothing where there is none that can be used: memory is limited all the same. `name`: of a group to try it with. */
export function canHold(folders: GroupFolders, controller: 'pids' | 'cpu', name: string): string | undefined {
  const folder = folders[controller]
  if (folder === undefined) return undefined
  if (folders.version === 2) return wordsIn(join(folder, 'cgroup.subtree_control')).includes(controller) ? folder : undefined
  try {
    mkdirSync(join(folder, name))
    rmdirSync(join(folder, name))
    return folder
  } catch {
    return undefined
  }
}

/**
 * Version 2 gives controllers to the children of a group only while no process is in the group itself: a node that is alone in its own moves
 * into a child first. Throws, with what to do, where workers cannot have a memory controller.
 */
export function enableBelow(folder: string, name: string): void {
  const offered = wordsIn(join(folder, 'cgroup.controllers'))
  if (!offered.includes('memory')) throw new Error('the memory controller is not delegated to this process')
  const enabled = wordsIn(join(folder, 'cgroup.subtree_control'))
  const wanted = CONTROLLERS.filter((controller) => offered.includes(controller) && !enabled.includes(controller))
  if (enabled.includes('memory')) return enableEach(folder, wanted)
  const inside = wordsIn(join(folder, 'cgroup.procs'))
  if (inside.length === 0) return enable(folder, wanted)
  if (inside.some((pid) => Number(pid) !== process.pid)) throw new Error('other processes are in the control group of this one')
  const own = join(folder, name)
  mkdirSync(own)
  try {
    writeFileSync(join(own, 'cgroup.procs'), String(process.pid))
    enable(folder, wanted)
  } catch (error) {
    writeFileSync(join(folder, 'cgroup.procs'), String(process.pid))
    rmdirSync(own)
    throw error
  }
}

/**
 * Moves this process into a group below, where its workers' groups are made beside it, and returns that; the folder itself where it may not. To the rest of
 * the host all of it counts as much as one process for each processor does.
 */
export function enterBelow(folder: string, name: string): string {
  const own = join(folder, name)
  try {
    mkdirSync(own, { recursive: true })
    writeFileSync(join(own, 'cpu.shares'), String(1024 * availableParallelism()))
    writeFileSync(join(own, 'cgroup.procs'), String(process.pid))
    return own
  } catch {
    return folder
  }
}

/** The kernel takes a line whole or not at all, and may refuse the processors alone, e.g. where real-time processes are. */
function enable(folder: string, wanted: readonly string[]): void {
  const write = (controllers: readonly string[]) =>
    writeFileSync(join(folder, 'cgroup.subtree_control'), controllers.map((controller) => `+${controller}`).join(' '))
  try {
    write(wanted)
  } catch (error) {
    if (!wanted.includes('cpu')) throw error
    write(wanted.filter((controller) => controller !== 'cpu'))
  }
}

/** What memory does not need is tried, and no more. */
function enableEach(folder: string, wanted: readonly string[]): void {
  for (const controller of wanted) {
    try {
      enable(folder, [controller])
    } catch {
      continue
    }
  }
}

function wordsIn(path: string): string[] {
  return readFileSync(path, 'utf8').split(/\s+/).filter(Boolean)
}
