/** What a node is started with: every value decided, every unit fixed. */
import type { LogLevel } from '#protocols/events'
import type { ExecutorLimits, WallsMode } from '#protocols/executor'
import type { Role } from '#protocols/lifecycle'

/** The operator's certificate, an authority for single names, or both. */
export interface TlsConfig {
  port: number
  files?: { cert: string; key: string } | undefined
  acme?: { directory: string; email?: string | undefined } | undefined
}

export interface NodeConfig {
  name: string
  roles: Role[]
  dataDir: string
  /** `$XDG_STATE_HOME/osiris`: where run-time state of nodes and universes is written. */
  stateDir: string
  httpHost: string
  /** 0: any free port. */
  httpPort: number
  /** Multiaddrs without peer id. */
  p2pListen: string[]
  /** Join tokens and multiaddrs that end in a peer id. Empty: the universe in the data directory, or a new one. */
  join: string[]
  /** Name of the universe this node founds when there is none to join. */
  universeName: string
  /** Public half of the recovery key of a universe this node founds. */
  recovery?: string | undefined
  /** Requests from loopback act as the developer. */
  developer: boolean
  /** The developer's token, where the root key is not here to issue one; also taken from the join token. */
  developerToken: string | undefined
  /** Calls at once, over all functions. */
  capacity: number
  /** What functions may ask of the node they run on. */
  labels: Record<string, string>
  region?: string | undefined
  /** Worker processes kept ready. */
  spares: number
  /** What the operator sets; the rest is the executor's own. */
  limits: Partial<ExecutorLimits>
  /** What the kernel must put around worker processes, see protocols/executor. */
  walls: WallsMode
  /** Functions may fetch from private addresses that their `egress` names. */
  egressPrivate: boolean
  /** Disk for artifacts that other nodes keep as well. */
  artifactCacheBytes: number
  /** From a request's head to the end of a body that the HTTP door holds. */
  bodyTimeoutMs: number
  /** To the HTTP door, from one address. */
  connectionsPerAddress: number
  /** Functions answer at NAME.NAMESPACE.DOMAIN. */
  domain: string
  /** HTTPS besides HTTP. */
  tls?: TlsConfig | undefined
  logLevel: LogLevel
  dht: boolean
  drainTimeoutMs: number
}
