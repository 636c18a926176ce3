export type { HttpLimits } from './limits.ts'
export { HttpServer, type HttpServerInit, type Self } from './server.ts'
