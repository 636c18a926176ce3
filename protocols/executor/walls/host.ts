/** What the walls are made of on this host; injected, so that tests can take things away. */
import { accessSync, constants } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { Cgroups } from './cgroup.ts'
import { findPlaces, type Places } from './places.ts'

export interface WallsHost {
  platform: NodeJS.Platform
  architecture: string
  /** Where a program is; nothing when it is not installed. */
  find(program: string): string | undefined
  places(): Promise<Places>
  /** Throws where control groups cannot be used. */
  cgroups(): Cgroups
}

/** Threads a worker may have: 25 on two cores; isolated-vm's own pool grows with the cores. */
const TASKS = 64
const TASKS_PER_CORE = 2

/** Services are sometimes started with a short PATH. */
const USUAL = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']

export function wallsHost(): WallsHost {
  return {
    platform: process.platform,
    architecture: process.arch,
    find: (program) => findProgram(program, (process.env['PATH'] ?? '').split(delimiter)),
    places: findPlaces,
    cgroups: () => new Cgroups({ tasksMax: TASKS + TASKS_PER_CORE * availableParallelism() }),
  }
}

function findProgram(program: string, folders: readonly string[]): string | undefined {
  return [...folders, ...USUAL]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
