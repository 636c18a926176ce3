import type { Access } from '#protocols/access'
import type { FunctionRecord } from '#protocols/catalog'
import { decodePlacedInvocation, encodeOutcome } from '#protocols/invocation-wire'
import type { Clock } from '#protocols/lifecycle'
import type { RequestHandler } from '#protocols/network'
import type { CodeSource, Executor } from '../executor.ts'

export interface InvokeParts {
  executor: Pick<Executor, 'invoke'>
  code: CodeSource
  access: Pick<Access, 'requireInvoke'>
  clock: Clock
}

/** The router has judged the caller already; a peer's word is not enough, so this node judges again by the record it knows itself. */
export function handleInvoke({ executor, code, access, clock }: InvokeParts): RequestHandler {
  return async (request) => {
    const invocation = await decodePlacedInvocation(request, { now: clock.monotonic(), signal: request.signal })
    const { namespace, name } = invocation.target
    const found = code.record(namespace, name, invocation.version)
    const record: FunctionRecord = found instanceof Promise ? await found : found
    await access.requireInvoke(invocation.caller, namespace, record.manifest.settings.access === 'public')
    return encodeOutcome(await executor.invoke(invocation))
  }
}
