export type { HttpLimits } from './limits.ts'
export { createAcme } from './tls/acme/acme.ts'
export { Challenges } from './tls/acme/challenges.ts'
export { HttpServer, type HttpServerInit, type Self } from './server.ts'
