export type * from './executor.ts'
export { ExecutorService, type ExecutorServiceInit } from './service.ts'
export { DEFAULT_LIMITS, type ExecutorLimits } from './limits.ts'
