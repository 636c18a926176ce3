/** `POST|GET /v1/call/{ns}/{name}[@sel]`: the hot path. No Request, no Response, no schema: strings, bytes and one flat header list. */
import { OsirisError } from '#protocols/errors'
import type { FunctionRef } from '#protocols/function'
import type { FoundCaller } from '#node/access'
import { collectIn } from '../collect.ts'
import { beginExchange, type DirectParts, type DirectRoute, type Exchange, invoke, refuse } from '../exchange.ts'
import { isAsync, submit } from '../submit.ts'
import { argumentsOf, callTarget } from '../target.ts'

/** Paths whose function is remembered; beyond it the memory starts anew, which bounds what invented names can cost. */
const REMEMBERED_MAX = 4096
const NO_ARGUMENTS = Buffer.from('[]')

export function createCallRoute(parts: DirectParts): DirectRoute {
  const remembered = new Map<string, FunctionRef>()
  const targetOf = (url: string): FunctionRef => {
    const known = remembered.get(url)
    if (known !== undefined) return known
    const target = callTarget(url)
    if (remembered.size >= REMEMBERED_MAX) remembered.clear()
    if (!url.includes('?')) remembered.set(url, Object.freeze(target))
    return target
  }

  return (request, response, url) => {
    const target = targetOf(url)
    if (request.method !== 'POST' && request.method !== 'GET') throw methodNotAllowed(request.method)
    const exchange = beginExchange(parts, request, response)
    const found = parts.callers(request, exchange.connection, 'platform')
    if (found instanceof Promise)
      found.then(
        (each) => readArguments(exchange, target, url, each),
        (error: unknown) => refuse(exchange, error),
      )
    else readArguments(exchange, target, url, found)
  }
}

function readArguments(exchange: Exchange, target: FunctionRef, url: string, found: FoundCaller): void {
  const { parts, request } = exchange
  const run = isAsync(request) ? submit : invoke
  if (request.method === 'GET') return run(exchange, target, { kind: 'call', args: Buffer.from(argumentsOf(url)) }, found.caller)
  collectIn(exchange, parts.limits.argumentsBytesMax, (body) =>
    run(exchange, target, { kind: 'call', args: body.length === 0 ? NO_ARGUMENTS : body }, found.caller),
  )
}

function methodNotAllowed(method = ''): OsirisError {
  return new OsirisError('method_not_allowed', `Cannot ${method} a call: a value function is called with POST or GET`, {
    details: { allow: ['GET', 'POST'] },
  })
}
