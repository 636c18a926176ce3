/** A value function reached by a route: arguments from the path, the query or the body, by the names of its parameters; the result as JSON. */
import type { WireRequest } from '../../../frames.ts'
import { apply } from './primordials.ts'
import type { Request } from './request.ts'
import { Response } from './response.ts'
import { urls } from './urls.ts'
import { resultText, tooMany, type ValueFunction } from './value-call.ts'

export async function routeValue(fn: ValueFunction, parameters: string[], wire: WireRequest, request: Request): Promise<Response> {
  const args = (await fromBody(request, parameters)) ?? parameters.map((name) => fromUrl(name, wire))
  const refusal = tooMany(fn.name, args)
  if (refusal !== undefined) throw thrown(refusal)
  const result: unknown = await apply(fn.run, undefined, args)
  if (Response.is(result)) return result
  const text = resultText(fn, result)
  if (text.startsWith('!')) throw thrown(text)
  return new Response(text, { headers: { 'content-type': 'application/json' } })
}

/** A JSON array is the arguments in order, a JSON object the arguments by name; anything else is not for binding. */
async function fromBody(request: Request, parameters: string[]): Promise<unknown[] | undefined> {
  const text = request.method === 'GET' || request.method === 'HEAD' ? '' : await request.text()
  if (text === '') return undefined
  const value = parsed(text)
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null) return undefined
  return parameters.map((name) => (Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined))
}

/** As on the command line: a text that is JSON is that value, anything else itself. */
function fromUrl(name: string, wire: WireRequest): unknown {
  const text = wire.params !== undefined && Object.hasOwn(wire.params, name) ? wire.params[name] : queryOf(wire.url).get(name)
  if (text === null || text === undefined) return undefined
  const value = parsed(text)
  return value === undefined ? text : value
}

function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?')
  return new (urls().URLSearchParams)(at < 0 ? '' : url.slice(at))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function thrown(text: string): Error {
  const { code, message } = JSON.parse(text.slice(1)) as { code: string; message: string }
  const error = new Error(message)
  return Object.defineProperties(error, { name: { value: 'OsirisError' }, code: { value: code } })
}
