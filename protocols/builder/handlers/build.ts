import type { Access } from '#protocols/access'
import type { RequestHandler } from '#protocols/network'
import type { Builder } from '../builder.ts'
import { decodeBuildRequest, encodeBuilt, readSource } from '../messages.ts'

/** Builds for a caller who may deploy in the namespace; nobody else's source is even read. */
export function handleBuild(builder: Builder, access: Access): RequestHandler {
  return async ({ head, body, timeoutMs }) => {
    const request = decodeBuildRequest(head)
    await access.require(request.caller, 'deploy', request.namespace)
    const source = await readSource(request, body)
    return encodeBuilt(await builder.build(source, { caller: request.caller, timeoutMs }))
  }
}
