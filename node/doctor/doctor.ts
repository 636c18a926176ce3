/** Whether this host can run a node, and how safely. */
import type { NodeConfig } from '#node/config'
import type { WallState } from '#protocols/executor'
import { type DoctorHost, doctorHost } from './host.ts'
import { type Finding, missing, ok, weaker } from './finding.ts'

const NODE_MIN = 24
/** What a node with two workers holds, and half as much again. */
const MEMORY_MIN = 512 * 1024 * 1024
/** A node with a few hundred connections and its store. */
const OPEN_FILES_MIN = 4096
const ROOM_MIN = 1024 * 1024 * 1024
/** Nothing was signed before this: a clock before it would have everything refused. */
const CLOCK_MIN = Date.UTC(2026, 0, 1)

export type DoctorConfig = Pick<NodeConfig, 'dataDir' | 'httpHost' | 'httpPort' | 'p2pListen' | 'walls'>

/** `inUse`: ports that nodes of this host hold, which is as it should be. Never rejects. */
export async function examine(config: DoctorConfig, inUse: ReadonlySet<number>, host: DoctorHost = doctorHost()): Promise<Finding[]> {
  const { walls, worker, bubblewrap } = await host.walls(config.walls)
  return [
    nodeVersion(host),
    worker.ready
      ? ok('worker', `isolated-vm loads, ready in ${worker.ms} ms`)
      : missing('worker', worker.why, 'see the walls below; npm install again if isolated-vm does not load'),
    sandbox(bubblewrap),
    ...walls.map((each) => wallFinding(each, config.walls === 'required')),
    memory(host),
    openFiles(host),
    dataFolder(host, config.dataDir),
    ...(await Promise.all(portsOf(config).map(({ name, at, port }) => portFinding(host, name, at, port, inUse)))),
    clock(host),
  ]
}

function nodeVersion({ nodeVersion: version }: DoctorHost): Finding {
  return Number.parseInt(version, 10) >= NODE_MIN
    ? ok('node', `Node ${version}`)
    : missing('node', `Node ${version}`, `install Node ${NODE_MIN} or newer`)
}

function sandbox(version: string | undefined): Finding {
  return version === undefined
    ? weaker('bubblewrap', 'not installed', 'apt-get install bubblewrap, dnf install bubblewrap or apk add bubblewrap')
    : ok('bubblewrap', version)
}

/** Walls an operator demands are needed; otherwise a node runs without. */
function wallFinding({ wall, state, by, fix }: WallState, isDemanded: boolean): Finding {
  const required = isDemanded && (wall === 'files' || wall === 'memory')
  const finding = { check: `wall: ${wall}`, found: by, ...(fix === undefined ? {} : { fix }), required }
  if (state === 'stands') return { ...finding, state: 'ok' }
  return { ...finding, state: required ? 'missing' : state }
}

function memory(host: DoctorHost): Finding {
  const bytes = host.availableBytes()
  return bytes >= MEMORY_MIN
    ? ok('memory', `${megabytes(bytes)} available`)
    : weaker('memory', `${megabytes(bytes)} available`, `a node and its workers want ${megabytes(MEMORY_MIN)}`)
}

function openFiles(host: DoctorHost): Finding {
  const limit = host.openFilesMax()
  if (limit === undefined) return ok('open files', 'the host does not say')
  const found = limit === Number.POSITIVE_INFINITY ? 'unlimited' : `at most ${limit}`
  return limit >= OPEN_FILES_MIN
    ? ok('open files', found)
    : weaker('open files', found, `ulimit -n ${OPEN_FILES_MIN}, or LimitNOFILE in its unit`)
}

function dataFolder(host: DoctorHost, folder: string): Finding {
  try {
    const bytes = host.roomIn(folder)
    const found = `${folder}, ${megabytes(bytes)} free`
    return bytes >= ROOM_MIN ? ok('data', found) : weaker('data', found, `make room: writes are refused when the disk is full`)
  } catch (error) {
    return missing(
      'data',
      `${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      'give it to this user, or name another with --data',
    )
  }
}

interface Port {
  name: string
  at: string
  port: number
}

function portsOf({ httpHost, httpPort, p2pListen }: DoctorConfig): Port[] {
  const p2p = p2pListen.flatMap((address) => {
    const [, , at = '', , port = ''] = address.split('/')
    return /^\/ip[46]\//.test(address) ? [{ name: 'p2p port', at, port: Number(port) }] : []
  })
  return [{ name: 'http port', at: httpHost, port: httpPort }, ...p2p].filter(({ port }) => port !== 0)
}

async function portFinding(host: DoctorHost, name: string, at: string, port: number, inUse: ReadonlySet<number>): Promise<Finding> {
  if (inUse.has(port)) return ok(name, `${port} is held by a node that runs here`)
  const why = await host.portInUse(at, port)
  return why === undefined
    ? ok(name, `${port} is free`)
    : weaker(name, `${port} at ${at} cannot be taken (${why})`, 'choose another one, or 0 for any')
}

function clock(host: DoctorHost): Finding {
  const now = host.nowMs()
  const found = new Date(now).toISOString()
  return now >= CLOCK_MIN
    ? ok('clock', found)
    : missing('clock', found, 'set the clock: what is signed now would be refused by every other node')
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`
}
