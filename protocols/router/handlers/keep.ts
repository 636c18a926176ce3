import { OsirisError } from '#protocols/errors'
import { decodeInvocation, encodeOutcome } from '#protocols/invocation-wire'
import type { Members, RequestHandler } from '#protocols/network'
import { decodeNote, encodeReply } from '../idempotency/messages.ts'
import { remember } from '../idempotency/remember.ts'
import type { RouterService } from '../service.ts'
import { withOrigin } from './invoke.ts'

/** A call whose answer this router keeps, as another router sees it; judged like any other. */
export function handleKeep(router: RouterService, members: Pick<Members, 'get'>): RequestHandler {
  return async (request) => {
    const invocation = await decodeInvocation(request, { now: router.clock.monotonic() })
    return encodeOutcome(await router.keep(withOrigin(invocation, request.peer, members)))
  }
}

/** What another router has this one remember: a router's word, and nobody else's. */
export function handleCopy(router: RouterService, members: Pick<Members, 'get'>): RequestHandler {
  return async (request) => {
    if (members.get(request.peer)?.roles.includes('router') !== true || router.keeping === undefined)
      throw new OsirisError('forbidden', 'Cannot remember the call: only routers may ask for it')
    const note = await decodeNote(request)
    return encodeReply(remember(router.keeping.answers, note, request.peer, router.clock.monotonic()))
  }
}
