/** The door. */

export * from './lifeline.ts'
export { addNode, killNode, requireUniverse, stopUniverse } from './members.ts'
export * from './node-process.ts'
export * from './one-process.ts'
export * from './process.ts'
export * from './ready.ts'
export * from './spawn.ts'
export * from './state.ts'
export * from './universe.ts'
