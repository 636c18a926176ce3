/** Management requests, on their way to hono. It is loaded with the first of them: a node that only serves functions never pays for it (100 to 200 ms). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AppParts } from './app.ts'
import type { NamedCaller } from './callers.ts'
import { connectionOf } from './connection.ts'

export type Manage = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Rejects with what is wrong with the caller's token. */
export function lazyManagement(parts: AppParts & { callers: NamedCaller }): Manage {
  let loading: Promise<Manage> | undefined
  const load = async (): Promise<Manage> => {
    const { createApp, createManage } = await import('./app.ts')
    return createManage(createApp(parts), (request) => parts.callers(request, connectionOf(request), 'platform'))
  }
  return async (request, response) => {
    loading ??= load()
    const manage = await loading
    await manage(request, response)
  }
}
