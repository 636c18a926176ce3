/** What requests, fetches and events need, evaluated together when the first of it is. A function that only takes values and gives values never does. */
export { AbortController, AbortSignal } from './abort.ts'
export { callEvent } from './event-call.ts'
export { fetch, fetchEvent } from './fetch.ts'
export { Headers } from './headers.ts'
export { Request } from './request.ts'
export { Response } from './response.ts'
export { callRequest } from './web-call.ts'
