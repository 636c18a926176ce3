/** What the executor of a node is made of, and what its operator decides. */
import type { FunctionRecord } from '#protocols/catalog'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Traits } from '#protocols/traits'
import type { ChainsInit } from './chain/chains.ts'
import type { CodeStore } from './compiled/cache.ts'
import type { Resolve } from './egress/index.ts'
import type { CallOut, CodeSource, PublishOut } from './executor.ts'
import type { ScaleShare } from './function-state.ts'
import type { ExecutorLimits } from './limits/limits.ts'
import type { WallsMode } from './walls/report.ts'
import type { WallsInit } from './walls/walls.ts'

export interface ExecutorServiceInit {
  code: CodeSource
  callOut: CallOut
  publishOut?: PublishOut
  /** To count the calls of chains that began elsewhere. */
  network?: ChainsInit['network']
  clock: Clock
  random: Random
  events: Events
  nodeName: string
  /** Calls that may run at once, over all functions. */
  capacity: number
  /** What this node may be asked for; a function that asks for more does not run here, whoever sent it. Default: nothing. */
  traits?: Traits
  /** Worker processes started ahead of need. */
  spares: number
  limits?: Partial<ExecutorLimits>
  /** Functions may fetch from private addresses that their `egress` names: for development. Default: no. */
  egressPrivate?: boolean
  /** Where nodes of the universe listen (`*`: on every address of this host): no function reaches them by fetch. Asked for each connection. */
  doors?: () => readonly { address: string; port: number }[]
  /** Host names to addresses. Default: the host's name servers. */
  resolve?: Resolve
  /** Another program to run as worker: how tests show what a worker that was taken over can do. */
  workerEntry?: string
  /** Default: `auto`, whatever walls the host offers. */
  walls?: WallsMode
  /** Processors of this host, to be shared while they are short. Default: what the system says; tests make them few, whatever else runs beside them. */
  hostCores?: number
  /** This node's part of a function's scale. Default: all of it. */
  shareOf?: (record: FunctionRecord) => ScaleShare
  /** Where compiled code is kept beyond the life of this node. Default: in memory only. */
  codeStore?: CodeStore
  /** What the walls are made of; tests take things away. */
  wallsHost?: WallsInit['host']
}
