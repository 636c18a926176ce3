/** What is looked at; injected, so that tests can have any host. */
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { probeWalls, type WallsMode, type WallsProbe } from '#protocols/executor'

export interface DoctorHost {
  nodeVersion: string
  nowMs(): number
  availableBytes(): number
  /** Of this process; nothing where the host does not say. */
  openFilesMax(): number | undefined
  /** Free bytes where the folder is, or will be. Throws when it cannot be written. */
  roomIn(folder: string): number
  /** Resolves with why the port cannot be taken; nothing when it can. */
  portInUse(host: string, port: number): Promise<string | undefined>
  walls(mode: WallsMode): Promise<WallsProbe>
}

export function doctorHost(): DoctorHost {
  return {
    nodeVersion: process.versions.node,
    nowMs: () => Date.now(),
    availableBytes: () => process.availableMemory(),
    openFilesMax,
    roomIn,
    portInUse,
    walls: probeWalls,
  }
}

/** `Max open files            1048576              1048576              files` (proc(5)); Node raises the first to the second. */
function openFilesMax(): number | undefined {
  try {
    const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return hard === 'unlimited' ? Number.POSITIVE_INFINITY : hard === undefined ? undefined : Number(hard)
  } catch {
    return undefined
  }
}

function roomIn(folder: string): number {
  let existing = folder
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing)
  if (!statSync(existing).isDirectory()) throw Object.assign(new Error(`${existing} is no folder`), { code: 'ENOTDIR' })
  accessSync(existing, constants.W_OK | constants.X_OK)
  const { bavail, bsize } = statfsSync(existing)
  return bavail * bsize
}

function portInUse(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}
