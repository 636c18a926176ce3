/** `/livez`, `/readyz`, `/metrics`: answered without hono, so that probes neither wait for it nor load it. */
import type { ServerResponse } from 'node:http'
import { isLocal } from '#node/access'
import type { Access } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { beginExchange, type DirectParts, type DirectRoute, refuse } from '../exchange.ts'
import { requireAnywhere } from '../guard.ts'
import { pathOf, unknownPath } from '../target.ts'

export interface HealthParts extends DirectParts {
  access: Access
  /** `undefined` when the node may be sent requests; else the reason why not. */
  unreadiness(): string | undefined
  metrics: { contentType: string; text(): Promise<string> }
}

export const HEALTH_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics'])

export function createHealthRoute(parts: HealthParts): DirectRoute {
  return (request, response, url) => {
    const path = pathOf(url)
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(request.method, path)
    if (path === '/livez') return sendJson(response, 200, { alive: true })
    const exchange = beginExchange(parts, request, response)
    const answer = async (): Promise<void> => {
      if (!isLocal(request.headers, exchange.connection.loopback)) {
        await requireAnywhere(parts.access, await parts.callers(request, exchange.connection, 'platform'), 'read', `read ${path}`)
      }
      if (path === '/readyz') sendReadiness(response, parts.unreadiness())
      else if (path === '/metrics') send(response, 200, parts.metrics.contentType, await parts.metrics.text())
      else throw unknownPath(url)
      exchange.connection.end(exchange.flight)
    }
    answer().catch((error: unknown) => refuse(exchange, error))
  }
}

function sendReadiness(response: ServerResponse, reason: string | undefined): void {
  sendJson(response, reason === undefined ? 200 : 503, reason === undefined ? { ready: true } : { ready: false, reason })
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', JSON.stringify(value))
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, ['content-type', type, 'content-length', String(Buffer.byteLength(text)), 'cache-control', 'no-store'])
  response.end(text)
}

function methodNotAllowed(method = '', path: string): OsirisError {
  return new OsirisError('method_not_allowed', `Cannot ${method} ${path}: it is read with GET`, { details: { allow: ['GET', 'HEAD'] } })
}
