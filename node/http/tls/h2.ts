/**
 * HTTP/2 for a server that speaks HTTP/1.1 (RFC 9113 section 8.3 and 8.4 say what corresponds to what): each stream is a request on a connection of its own inside
 * this process, with the same bounds, the same refusals and the same end when its client leaves.
 */
import { request as send, type IncomingMessage } from 'node:http'
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { duplexPair, type Duplex } from 'node:stream'
import type { HttpLimits } from '../limits.ts'

/** What one client may have open at once. */
const STREAMS_MAX = 128

export const SESSION_OPTIONS = {
  settings: { maxConcurrentStreams: STREAMS_MAX, enablePush: false, maxHeaderListSize: 16 * 1024, enableConnectProtocol: true },
  maxHeaderListPairs: 256,
  // Of what a session may hold: headers and bodies that are under way.
  maxSessionMemory: 8,
}

export interface ServedBy {
  limits: HttpLimits
  accept: (connection: Duplex) => void
  remoteAddress: string | undefined
}

/** RFC 8441 section 5: a WebSocket on a stream has none; the connection behind it wants one, which nobody else sees. */
const HANDSHAKE = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': Buffer.alloc(16).toString('base64') }

/** About one connection (RFC 9113 section 8.2.2): each side has its own. */
const OF_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings', 'expect'])

export function serveSession(session: ServerHttp2Session, by: ServedBy): void {
  let open = 0
  const { limits } = by
  session.on('error', () => session.destroy())
  session.setTimeout(limits.keepAliveMs, () => {
    if (open === 0) session.close()
  })
  session.on('stream', (stream, headers) => {
    open++
    stream.once('close', () => open--)
    stream.on('error', () => {})
    // Silence while a function runs is no fault; bytes that nobody takes are.
    stream.setTimeout(limits.stallTimeoutMs, () => {
      if (stream.writableLength > 0) stream.close(constants.NGHTTP2_CANCEL)
    })
    serveStream(stream, headers, by)
  })
}

function serveStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { accept, remoteAddress }: ServedBy): void {
  const method = headers[':method'] ?? ''
  const authority = headers[':authority'] ?? headers.host
  const isSocket = method === 'CONNECT' && headers[':protocol'] === 'websocket'
  // Two names for one host, or a tunnel: RFC 9113 sections 8.3.1 and 8.5.
  if ((method === 'CONNECT' && !isSocket) || authority === undefined || (headers.host !== undefined && headers.host !== authority))
    return refuse(stream)
  const [near, far] = duplexPair()
  Object.assign(far, { remoteAddress, encrypted: true })
  // One end that is gone says nothing to the other by itself.
  near.once('close', () => far.destroy())
  accept(far)
  try {
    const request = send({
      createConnection: () => near,
      setHost: false,
      method: isSocket ? 'GET' : method,
      path: headers[':path'] ?? '/',
      headers: { ...plain(headers), host: authority, ...(isSocket ? HANDSHAKE : {}) },
    })
    request.on('response', (response) => answer(stream, response))
    request.on('upgrade', (response, socket, head) => join(stream, response, socket, head))
    // The door cut the connection.
    request.on('error', () => stream.close(stream.headersSent ? constants.NGHTTP2_INTERNAL_ERROR : constants.NGHTTP2_REFUSED_STREAM))
    stream.once('close', () => (isSocket ? near : request).destroy())
    // A body may take its time, and the door judges how much.
    request.flushHeaders()
    if (isSocket) request.end()
    else stream.pipe(request)
  } catch {
    near.destroy()
    far.destroy()
    refuse(stream)
  }
}

/** The function took it: from here on the stream is the connection. */
function join(stream: ServerHttp2Stream, response: IncomingMessage, socket: Duplex, head: Buffer): void {
  if (stream.destroyed) return void socket.destroy()
  const { 'sec-websocket-accept': _, ...headers } = headersOf(response)
  stream.respond({ ...headers, ':status': 200 })
  socket.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
  stream.once('close', () => socket.destroy())
  if (head.length > 0) stream.write(head)
  socket.pipe(stream, { end: false })
  // The door ends a connection when both sides have said goodbye, or one does not: nothing is waited for.
  socket.once('end', () => stream.end(() => stream.close(constants.NGHTTP2_NO_ERROR)))
  stream.pipe(socket)
}

function plain(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers))
    if (!name.startsWith(':') && !OF_CONNECTION.has(name) && value !== undefined) kept[name] = value
  return kept
}

function answer(stream: ServerHttp2Stream, response: IncomingMessage): void {
  if (stream.destroyed) return void response.destroy()
  stream.respond({ ...headersOf(response), ':status': response.statusCode ?? 500 })
  response.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
  response.pipe(stream)
}

/** Without those of its connection; a list only where there are several: of some headers HTTP/2 takes no list at all. */
function headersOf({ rawHeaders }: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string[]> = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase()
    if (!OF_CONNECTION.has(name)) (headers[name] ??= []).push(rawHeaders[at + 1] as string)
  }
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.length === 1 ? (values[0] as string) : values]))
}

/** What no HTTP/1.1 request could be made of. */
function refuse(stream: ServerHttp2Stream): void {
  if (stream.headersSent || stream.destroyed) return
  stream.respond({ ':status': 400 }, { endStream: true })
}
