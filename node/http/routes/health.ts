/** `/livez`, `/readyz`, `/metrics`: answered without hono, so that probes neither wait for it nor load it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isLocal } from '#node/access'
import type { Access } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { beginExchange, type DirectParts, type DirectRoute, refuse } from '../exchange.ts'
import { requireAnywhere, requireIn } from '../guard.ts'
import { pathOf, unknownPath } from '../target.ts'

export interface HealthParts extends DirectParts {
  access: Access
  /** `undefined` when the node may be sent requests; else the reason why not. */
  unreadiness(): string | undefined
  counts(): NodeCounts
  metrics: { contentType: string; text(): Promise<string> }
}

/** Told with the readiness: members it has a connection to, and functions in its view. */
interface NodeCounts {
  peers: number
  functions: number
}

export const HEALTH_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics'])

export function createHealthRoute(parts: HealthParts): DirectRoute {
  /** Figures name functions of all namespaces: they take what the ledger takes. A probe of this machine needs no token to hear whether the node is ready. */
  const assertMayRead = async (
    path: string,
    request: IncomingMessage,
    connection: ReturnType<typeof beginExchange>['connection'],
  ): Promise<void> => {
    if (path !== '/metrics' && isLocal(request.headers, connection.loopback)) return
    const found = await parts.callers(request, connection, 'platform')
    if (path === '/metrics') await requireIn(parts.access, found, 'read', '*')
    else await requireAnywhere(parts.access, found, 'read', `read ${path}`)
  }
  return (request, response, url) => {
    const path = pathOf(url)
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(request.method, path)
    if (path === '/livez') return sendJson(response, 200, { alive: true })
    const exchange = beginExchange(parts, request, response)
    const answer = async (): Promise<void> => {
      await assertMayRead(path, request, exchange.connection)
      if (path === '/readyz') sendReadiness(response, parts.unreadiness(), parts.counts())
      else if (path === '/metrics') send(response, 200, parts.metrics.contentType, await parts.metrics.text())
      else throw unknownPath(url)
      exchange.connection.end(exchange.flight)
    }
    answer().catch((error: unknown) => refuse(exchange, error))
  }
}

function sendReadiness(response: ServerResponse, reason: string | undefined, counts: NodeCounts): void {
  sendJson(response, reason === undefined ? 200 : 503, {
    ...(reason === undefined ? { ready: true } : { ready: false, reason }),
    ...counts,
  })
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
