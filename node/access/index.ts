export { createCallers, isLocal, type CallerRules, type Door, type FoundCaller, type RequestHeaders } from './caller.ts'
export { hostnameOf, isLoopbackAddress } from './loopback.ts'
