/** What every command file is handed. */
import type { Command } from 'commander'
import type { StartNode } from '#node/universe'
import { type Connect, connectBySdk, type NodeApi } from './api.ts'
import type { Io } from './io.ts'
import { printableJson } from './printable.ts'
import { type Target, resolveTarget } from './target.ts'

export interface Globals {
  node?: string
  namespace?: string
  json?: boolean
}

/** What a caller of the whole command line adds to it. */
export interface Hooks {
  /** Runs when a universe that was started here is ready, with the address of its first node. */
  universeReady?(http: string): Promise<void>
  /** Opens clients; absent: the SDK. */
  connect?: Connect
  /** Loads what makes a node; absent: the composition. */
  components?: LoadComponents
}

type LoadComponents = () => Promise<{ startNode: StartNode; preload?: () => Promise<void> }>

export interface Context {
  io: Io
  hooks: Hooks
  /** Set by a command that ends badly without an error to show. */
  exitCode: number
  globals(): Globals
  /** The program with every noun loaded. */
  wholeProgram(): Promise<Command>
  target(): Target
  /** A client of the target node. */
  connect(): Promise<NodeApi>
  connectTo: Connect
  components: LoadComponents
  /** One value: pretty on a terminal, one line elsewhere. */
  json(value: unknown): void
  /** One of many values: always on one line. */
  line(value: unknown): void
}

export function createContext(program: Command, io: Io, hooks: Hooks, wholeProgram: (context: Context) => Promise<Command>): Context {
  const globals = () => program.opts<Globals>()
  const target = () => resolveTarget(globals().node, io.env)
  const connectTo = hooks.connect ?? connectBySdk
  const context: Context = {
    io,
    hooks,
    exitCode: 0,
    globals,
    wholeProgram: () => wholeProgram(context),
    target,
    connect: () => connectTo(target()),
    connectTo,
    components: hooks.components ?? (() => import('#node/components')),
    line: (value) => io.out(`${printableJson(value, 0)}\n`),
    json: (value) => io.out(`${printableJson(value, io.tty ? 2 : 0)}\n`),
  }
  return context
}
