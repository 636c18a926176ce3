import { decodeInvocation, encodeOutcome } from '#protocols/invocation-wire'
import type { Clock } from '#protocols/lifecycle'
import type { RequestHandler } from '#protocols/network'
import type { Router } from '../router.ts'

/** The caller's token came along: the router judges it as it judges a local caller's. */
export function handleInvoke(router: Router, clock: Clock): RequestHandler {
  return async (request) => {
    const invocation = await decodeInvocation(request, { now: clock.monotonic(), signal: request.signal })
    return encodeOutcome(await router.invoke(invocation))
  }
}
