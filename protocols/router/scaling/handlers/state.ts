import { OsirisError } from '#protocols/errors'
import type { Members, RequestHandler } from '#protocols/network'
import { decodeAsk, encodeStates, type VersionScale } from '../messages.ts'

export interface StateParts {
  members: Pick<Members, 'get'>
  states: (namespace: string, name: string) => VersionScale[]
}

/** For members with a role: they judge for themselves who may read it there. */
export function handleState({ members, states }: StateParts): RequestHandler {
  return async (request) => {
    if ((members.get(request.peer)?.roles.length ?? 0) === 0)
      throw new OsirisError('forbidden', 'Cannot tell how a function is scaled: the peer has no role')
    const { namespace, name } = decodeAsk(request)
    return encodeStates(states(namespace, name))
  }
}
