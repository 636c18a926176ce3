/** The door, for scripts: the whole command line as one function. */
export { endProcess, type Io, processIo } from './io.ts'
export { runCommand } from './program.ts'
export type { UniverseStatus } from './universe-status.ts'
