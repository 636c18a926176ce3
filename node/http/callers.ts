/** Callers with their names: what the headers say (node/access), proven where a token is there. */
import type { IncomingMessage } from 'node:http'
import { createCallers, type CallerRules, type Door, type FoundCaller } from '#node/access'
import type { Access } from '#protocols/access'
import type { MaybePromise } from '#protocols/lifecycle'
import type { Connection } from './connection.ts'

export type NamedCaller = (
  request: Pick<IncomingMessage, 'headers'>,
  connection: Pick<Connection, 'loopback'>,
  door: Door,
) => MaybePromise<FoundCaller>

/** At once for callers without a token, for the developer, and for tokens seen before. Rejects with `unauthenticated` for a token that does not hold. */
export function createNamedCallers(access: Access, rules: CallerRules): NamedCaller {
  const find = createCallers(rules)
  return (request, connection, door) => {
    const found = find(request.headers, connection.loopback, door)
    const { token } = found.caller
    if (token === undefined || token === rules.developer?.token) return found
    const principal = access.principalOf(found.caller)
    const named = (subject: string): FoundCaller => ({ ...found, caller: { subject, token } })
    return principal instanceof Promise ? principal.then((each) => named(each.subject)) : named(principal.subject)
  }
}
