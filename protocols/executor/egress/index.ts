export type { Resolve } from './dial.ts'
export { systemResolve } from './dial.ts'
export { takeFrame } from './take-frame.ts'
export { Egress } from './service.ts'
