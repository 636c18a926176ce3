export { arrangeCrypto } from './crypto.ts'
export { type Report, type RunOptions, simulate } from './run.ts'
export type { Violation } from './world.ts'
