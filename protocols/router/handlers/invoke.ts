import { asTold } from '#protocols/access'
import type { Invocation } from '#protocols/invocation'
import { decodeInvocation, encodeOutcome } from '#protocols/invocation-wire'
import type { Clock } from '#protocols/lifecycle'
import type { Members, Peer, RequestHandler } from '#protocols/network'
import type { Router } from '../router.ts'

/** The caller's token came along: the router judges it as it judges a local caller's. */
export function handleInvoke(router: Router, members: Pick<Members, 'get'>, clock: Clock): RequestHandler {
  return async (request) => {
    const invocation = await decodeInvocation(request, { now: clock.monotonic(), signal: request.signal })
    return encodeOutcome(await router.invoke(withOrigin(invocation, request.peer, members)))
  }
}

/** Where a caller without a token is, a member may tell of its own callers. A peer that is none speaks for itself alone. */
export function withOrigin(told: Invocation, from: Peer, members: Pick<Members, 'get'>): Invocation {
  const member = members.get(from)
  const invocation = asTold(told, member)
  if (invocation.idempotencyKey === undefined || (member?.roles.length ?? 0) > 0) return invocation
  return { ...invocation, origin: from }
}
