/** For a person who asks: the walls of this host, shown by a worker that was really started behind them. */
import { OsirisError } from '#protocols/errors'
import { DO, FrameWriter, sendTo } from '../frames.ts'
import { wallsHost } from './host.ts'
import type { Launched } from './launch.ts'
import { WORKER_ENTRY } from './places.ts'
import type { WallsMode, WallState } from './report.ts'
import { run } from './run.ts'
import { Walls } from './walls.ts'

const READY_MS = 20_000
const MEMORY_BYTES = 128 * 1024 * 1024

export interface WallsProbe {
  /** What bubblewrap says of its version; absent when it is not installed. */
  bubblewrap?: string
  walls: WallState[]
  worker: { ready: true; ms: number } | { ready: false; why: string }
}

/** Never rejects. With `required`, what is missing is the reason why no worker started. */
export async function probeWalls(mode: WallsMode): Promise<WallsProbe> {
  const walls = new Walls({ mode, warn: () => {} })
  const path = wallsHost().find('bwrap')
  const version = path === undefined ? {} : { bubblewrap: (await run(path, ['--version'])).stdout.trim() }
  return { ...version, ...(await probe(walls)) }
}

async function probe(walls: Walls): Promise<WallsProbe> {
  try {
    await walls.raise()
    const startedAt = performance.now()
    await firstWord(walls.launch(WORKER_ENTRY, MEMORY_BYTES))
    return { walls: walls.report(), worker: { ready: true, ms: Math.round(performance.now() - startedAt) } }
  } catch (error) {
    return { walls: walls.report(), worker: { ready: false, why: OsirisError.from(error, 'Cannot start a worker').message } }
  }
}

async function firstWord(worker: Launched): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const late = setTimeout(
    () => reject(new OsirisError('unavailable', `Cannot start a worker: it was not ready within ${READY_MS} ms`)),
    READY_MS,
  )
  worker.onEnded(({ reason }) => reject(new OsirisError('unavailable', `Cannot start a worker: ${reason}`)))
  worker.pipe.on('error', () => {})
  worker.pipe.once('data', () => resolve())
  // Without one: it makes its own.
  const writer = new FrameWriter((parts) => sendTo(worker.pipe, parts))
  writer.bytes(DO.snapshot, 0, 0, 0)
  writer.flush()
  try {
    await promise
  } finally {
    clearTimeout(late)
    worker.kill()
    await worker.exited()
    worker.pipe.destroy()
  }
}
