/**
 * Requests for a WebSocket. The function is asked first: only when it answers 101 is the client's handshake answered (RFC 6455 section 4.2), and any other answer
 * is an ordinary one.
 */
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocketServer } from 'ws'
import type { FoundCaller } from '#node/access'
import { OsirisError } from '#protocols/errors'
import type { Outcome, ResponseOutcome, Target } from '#protocols/invocation'
import { CLOSED, SOCKET_MESSAGE_BYTES_MAX } from '#protocols/socket'
import { ClientSocket, ClientWords } from './client-socket.ts'
import { beginExchange, type DirectParts, type Exchange, refuse, refuseRequest } from './exchange.ts'
import { responseHeaders, upgradeHeaders } from './headers.ts'
import { cancelBody, pushMeta, respond } from './respond.ts'

/** RFC 6455 section 4.1: base64 of 16 bytes. */
const KEY = /^[+/0-9A-Za-z]{22}==$/
const UPGRADE_REQUIRED = 426
/** What a client may have sent behind its request before it is answered. */
const EARLY_BYTES_MAX = 64 * 1024

/** A request whose connection is to become something else. */
export interface Upgrade {
  request: IncomingMessage
  socket: Socket
  head: Buffer
}

export interface Upgrades {
  /** Where it goes is found by `targetOf`, which may throw. */
  take(upgrade: Upgrade, targetOf: () => { target: Target; url: string }): void
  /** Tells every client that this node goes away. */
  close(): void
  /** Ends those that stayed. */
  terminate(): void
}

export function createUpgrades(parts: DirectParts): Upgrades {
  const open = new Set<ClientSocket>()
  const server = lazyServer()
  return {
    take(upgrade, targetOf) {
      const response = responseOn(upgrade)
      try {
        assertHandshake(upgrade.request, response)
        const { target, url } = targetOf()
        ask(parts, upgrade, response, target, url, (exchange, outcome, words, early) =>
          server().then((each) => accept({ exchange, outcome, words, head: early(), server: each, open })),
        )
      } catch (error) {
        const version = upgrade.request.headers['sec-websocket-version']
        refuseRequest(parts, upgrade.request, response, error, version === undefined || version === '13' ? undefined : UPGRADE_REQUIRED)
      }
    },
    close() {
      for (const each of open) each.close(CLOSED.goingAway, 'the node is stopping')
    },
    terminate() {
      for (const each of open) each.terminate()
    },
  }
}

/** Whether it is a request that this file is for; other upgrades are ignored, as RFC 9110 section 7.8 allows. */
export function asksForWebSocket({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** Loaded with the first socket: most nodes never have one. */
function lazyServer(): () => Promise<WebSocketServer> {
  let loading: Promise<WebSocketServer> | undefined
  return () =>
    (loading ??= import('ws').then((ws) => {
      const server = new ws.WebSocketServer({
        noServer: true,
        clientTracking: false,
        maxPayload: SOCKET_MESSAGE_BYTES_MAX,
        // A small message may unfold into one of the bound's size, in the node's own process.
        perMessageDeflate: false,
        handleProtocols: (offered, request) => chosen(offered, request),
      })
      server.on('headers', (headers, request) => headers.push(...(answers.get(request)?.lines ?? [])))
      return server
    }))
}

/** What a function said beside 101, until its client is told. */
const answers = new WeakMap<IncomingMessage, { lines: string[]; protocol: string | undefined }>()

function chosen(offered: Set<string>, request: IncomingMessage): string | false {
  const protocol = answers.get(request)?.protocol
  return protocol !== undefined && offered.has(protocol) ? protocol : false
}

function responseOn({ request, socket }: Upgrade): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    response.detachSocket(socket)
    socket.end()
  })
  socket.on('error', () => socket.destroy())
  return response
}

function assertHandshake({ headers }: IncomingMessage, response: ServerResponse): void {
  if (headers['sec-websocket-version'] !== '13') {
    response.setHeader('sec-websocket-version', '13')
    throw new OsirisError('invalid_argument', 'Cannot open a WebSocket: its version is not 13')
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    throw new OsirisError('invalid_argument', 'Cannot open a WebSocket: its key is not 16 bytes in base64')
}

type Accept = (exchange: Exchange, outcome: ResponseOutcome, words: ClientWords, early: () => Buffer) => Promise<void>

function ask(parts: DirectParts, upgrade: Upgrade, response: ServerResponse, target: Target, url: string, accept: Accept): void {
  const { request } = upgrade
  const exchange = beginExchange(parts, request, response)
  const early = keepEarly(upgrade)
  const words = new ClientWords()
  const isUnanswered = parts.clock.after(parts.limits.callTimeoutMs, () => exchange.flight.controller.abort())
  const run = async (found: FoundCaller): Promise<void> => {
    const headers = upgradeHeaders(request.rawHeaders, found.consumed)
    const payload = {
      kind: 'fetch',
      method: 'GET',
      url: `${exchange.connection.scheme}://${request.headers.host}${url}`,
      headers,
      body: words,
      upgrade: 'websocket',
    } as const
    const outcome = await parts.router.invoke(parts.invocations.create(request, exchange.flight, target, payload, found.caller))
    if (outcome.kind === 'response' && outcome.status === 101 && !response.destroyed) return accept(exchange, outcome, words, early)
    words.end()
    await answer(exchange, outcome)
  }
  Promise.resolve(parts.callers(request, exchange.connection, 'function'))
    .then(run)
    .catch((error: unknown) => {
      words.end()
      refuse(exchange, error)
    })
    .finally(isUnanswered)
}

async function answer(exchange: Exchange, outcome: Outcome): Promise<void> {
  try {
    await respond(exchange.response, outcome)
  } finally {
    exchange.connection.end(exchange.flight)
  }
}

/** Reads on while the function is asked, so that a client that leaves is noticed; gives what came. */
function keepEarly({ socket, head }: Upgrade): () => Buffer {
  const kept = [head]
  let bytes = head.length
  const read = (): void => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      kept.push(chunk)
      bytes += chunk.length
      if (bytes > EARLY_BYTES_MAX) socket.destroy()
    }
  }
  const leave = (): void => void socket.destroy()
  socket.on('readable', read)
  socket.on('end', leave)
  return () => {
    socket.off('readable', read)
    socket.off('end', leave)
    return Buffer.concat(kept)
  }
}

interface Accepting {
  exchange: Exchange
  outcome: ResponseOutcome
  words: ClientWords
  head: Buffer
  server: WebSocketServer
  open: Set<ClientSocket>
}

function accept({ exchange, outcome, words, head, server, open }: Accepting): void {
  const { parts, request, response, connection, flight } = exchange
  const { socket } = connection
  if (socket.destroyed) return cancelBody(outcome.body)
  answers.set(request, {
    lines: linesOf(outcome),
    protocol: outcome.headers.find(([name]) => name.toLowerCase() === 'sec-websocket-protocol')?.[1],
  })
  response.detachSocket(socket)
  // From here on the client's end is told to the function, which may have something to do yet.
  connection.end(flight)
  server.handleUpgrade(request, socket, head, (client) => {
    const one: ClientSocket = new ClientSocket(client, words, outcome.body, {
      clock: parts.clock,
      pingMs: parts.limits.socketPingMs,
      idleMs: parts.limits.socketIdleMs,
      abandon: () => flight.controller.abort(),
      over: () => void open.delete(one),
    })
    open.add(one)
  })
}

/** The function's headers and the platform's, as lines that cannot become two. */
function linesOf(outcome: ResponseOutcome): string[] {
  const headers = responseHeaders(outcome.headers)
  pushMeta(headers, outcome.meta)
  const lines: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2)
    if (!name.startsWith('sec-websocket-') && !/[^\t\x20-\x7e\x80-\xff]/.test(value)) lines.push(`${name}: ${value}`)
  }
  return lines
}
