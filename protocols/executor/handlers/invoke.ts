import { type Access, asTold, type VersionSource } from '#protocols/access'
import type { FunctionRecord } from '#protocols/catalog'
import type { PlacedInvocation } from '#protocols/invocation'
import { decodePlacedInvocation, encodeOutcome } from '#protocols/invocation-wire'
import type { MaybePromise } from '#protocols/lifecycle'
import type { Members, RequestHandler } from '#protocols/network'
import { asksFor, isTriggered } from '#protocols/trigger'
import { Begun, repeated } from '../begun.ts'
import type { Executor } from '../executor.ts'

export interface InvokeParts {
  executor: Pick<Executor, 'invoke'> & {
    recordOf(invocation: PlacedInvocation): MaybePromise<FunctionRecord>
    versionOf: VersionSource
    now(): number
    readonly nodeName: string
  }
  access: Pick<Access, 'requireCall'>
  members: Pick<Members, 'get'>
  /** What a namespace may use in all, whoever places its calls; absent: everything. */
  door?: Door | undefined
}

export interface Door {
  /** Gives what is to be told the processor time of the call when it has ended; nothing where nothing is bounded. Throws `rate_limited`, `quota_exceeded`. */
  enter(namespace: string): ((cpuMs: number) => void) | undefined
}

/**
 * The router has judged the caller already; a peer's word is not enough, so this node judges again by the record it knows itself. A router's word is enough
 * for a call that nobody's token stands behind, where the function asked for such calls. Which function calls is the word of a member that runs or places
 * functions; what that one may call, the ledger's. A call that was taken in before is not started again, whoever sends it.
 */
export function handleInvoke({ executor, access, members, door }: InvokeParts): RequestHandler {
  const versionOf: VersionSource = (namespace, name, version) => executor.versionOf(namespace, name, version)
  const begun = new Begun()
  return async (request) => {
    const from = members.get(request.peer)
    const invocation = asTold(await decodePlacedInvocation(request, { now: executor.now(), signal: request.signal }), from)
    const record = await executor.recordOf(invocation)
    const { settings } = record.manifest
    const isOwed = isTriggered(invocation) && asksFor(settings, invocation) && from?.roles.includes('router') === true
    if (!isOwed) await access.requireCall(invocation, record, settings.access === 'public', versionOf)
    const leave = door?.enter(record.namespace)
    const { id } = invocation
    const outcome = begun.add(id) ? await executor.invoke(invocation) : repeated(invocation, executor.nodeName)
    if (outcome.kind === 'failed' && !outcome.started) begun.forget(id)
    leave?.(outcome.meta.timing.cpu)
    return encodeOutcome(outcome)
  }
}
