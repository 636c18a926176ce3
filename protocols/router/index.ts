export type * from './router.ts'
export { RouterClient, type RouterClientInit } from './client.ts'
export { serveRouter } from './serve.ts'
export { RouterService, type RouterServiceInit } from './service.ts'
