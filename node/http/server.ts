/** The HTTP door of one node: sockets, limits, and which way each request goes. Calls and web functions go on directly; management waits for hono. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Builder } from '#protocols/builder'
import type { Catalog, NodeRotated, WriteOptions } from '#protocols/catalog'
import type { Events } from '#protocols/events'
import type { Caller, Invoker } from '#protocols/invocation'
import { type Clock, every, type MaybePromise, type Random, type Role, type Startable } from '#protocols/lifecycle'
import type { Access } from '#protocols/access'
import { Functions, type NodeSummary } from '#protocols/management'
import type { Network } from '#protocols/network'
import type { Calls, Domains, Quotas, Scaling, Schedule, Topics } from '#protocols/router'
import type { Traits } from '#protocols/traits'
import { OsirisError } from '#protocols/errors'
import { Addresses } from './addresses.ts'
import { createNamedCallers } from './callers.ts'
import { answerClientError, refuseConnection, refuseTunnel } from './client-error.ts'
import { Connection, connectionAt } from './connection.ts'
import { awaitBody } from './collect.ts'
import { beginExchange, type DirectParts, refuse, refuseRequest } from './exchange.ts'
import { assertReadOneWay } from './headers.ts'
import { createHosts } from './host.ts'
import { Invocations } from './invocations.ts'
import { defaultLimits, type HttpLimits } from './limits.ts'
import { lazyManagement, type Manage } from './management.ts'
import { createCallRoute } from './routes/call.ts'
import { createFetchRoute } from './routes/fetch.ts'
import { createHealthRoute, HEALTH_PATHS } from './routes/health.ts'
import { fetchTarget, originForm, pathOf, routedPath, wayOf } from './target.ts'
import type { AcmeCertificates } from './tls/acme/certificates.ts'
import type { Challenges } from './tls/acme/challenges.ts'
import type { TlsFiles } from './tls/certificate-files.ts'
import { SecureDoor } from './tls/door.ts'
import { asksForWebSocket, createUpgrades, type Upgrade, type Upgrades } from './upgrade.ts'

/** How often late headers and bodies are looked for. Their timeouts are exact to this. */
const SWEEP_MS = 1_000
const CROWD_MS = 60_000

/** This node, as its own answers show it. */
export interface Self {
  name: string
  roles: readonly Role[]
  /** What its operator says of it. */
  traits?: Traits
  /** Whether it may be sent requests: its roles have started. */
  ready(): boolean
  status(): Pick<NodeSummary, 'capacity' | 'inFlight' | 'functions' | 'warm' | 'walls' | 'admission' | 'instances'>
}

export interface HttpServerInit {
  host: string
  /** 0 takes any free port. */
  port: number
  /** Function hosts end in `.localhost`, and in `.{domain}` where one is given. */
  domain?: string
  /** Present in a local universe: who a request from this machine acts as. */
  developer?: { readonly token: string }
  universe: { name: string; id: string }
  self: Self
  router: Invoker
  catalog: Catalog
  builder: Builder
  topics: Topics
  network: Pick<Network, 'peer' | 'members' | 'addresses' | 'connections'>
  access: Access
  /** Has this node take no more work, and waits for the calls under way. */
  drain: (timeoutMs: number) => Promise<{ calls: number }>
  /** Replaces this node's key; resolves before the node goes on with the next one. */
  rotateNode: (options: Pick<WriteOptions, 'ack' | 'timeoutMs'>) => Promise<NodeRotated>
  /** Asks whoever decides how many instances a function has. */
  scaling: Pick<Scaling, 'stateOf'>
  /** What this node gives out of quotas; absent where it places no calls. */
  quotas?: Pick<Quotas, 'use'> | undefined
  /** Whose hosts are whose, as far as this node can tell; absent: no host is anybody's own. */
  domains?: Pick<Domains, 'list' | 'verify'> | undefined
  /** The token that lets another node in. */
  joinToken: () => string
  /** Functions with a schedule (of a namespace); those of namespaces the caller may not read may be among them. */
  schedules: (caller: Caller, namespace?: string) => MaybePromise<Schedule[]>
  calls: Calls
  metrics: { contentType: string; text(): Promise<string> }
  clock: Clock
  random: Random
  events: Events
  limits?: Partial<HttpLimits>
  /** What authorities of certificates ask nodes for; absent: nothing. */
  challenges?: Challenges | undefined
  /** HTTPS besides HTTP: `port` 0 takes any free one. */
  tls?: {
    port: number
    files?: TlsFiles | undefined
    /** Certificates of single names. */
    acme?: AcmeCertificates | undefined
  }
}

export class HttpServer implements Startable {
  readonly #init: HttpServerInit
  readonly #limits: HttpLimits
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  readonly #hosts: ReturnType<typeof createHosts>
  readonly #parts: DirectParts
  readonly #call: ReturnType<typeof createCallRoute>
  readonly #fetch: ReturnType<typeof createFetchRoute>
  readonly #upgrades: Upgrades
  readonly #health: ReturnType<typeof createHealthRoute>
  readonly #manage: Manage
  readonly #secure: SecureDoor | undefined
  readonly #addresses: Addresses
  #crowdToldAt = Number.NEGATIVE_INFINITY
  #stopSweep = (): void => {}
  #emptied = (): void => {}
  #draining = false
  #stopped: Promise<void> | undefined

  constructor(init: HttpServerInit) {
    this.#init = init
    this.#limits = { ...defaultLimits, ...init.limits }
    this.#addresses = new Addresses(this.#limits.connectionsPerAddressMax)
    const { router, clock, events, random, access } = init
    const rules = { audience: init.universe.id, ...(init.developer === undefined ? {} : { developer: init.developer }) }
    const callers = createNamedCallers(access, rules)
    const invocations = new Invocations({ clock, random, timeoutMs: this.#limits.callTimeoutMs })
    this.#parts = { router, calls: init.calls, callers, invocations, clock, events, limits: this.#limits }
    this.#hosts = createHosts(init.domain)
    this.#call = createCallRoute(this.#parts)
    this.#fetch = createFetchRoute(this.#parts)
    this.#upgrades = createUpgrades(this.#parts)
    this.#health = createHealthRoute({
      ...this.#parts,
      access,
      metrics: init.metrics,
      unreadiness: () => this.#unreadiness(),
      counts: () => this.#counts(),
    })
    const { buildTimeoutMs, writeTimeoutMs } = this.#limits
    const functions = new Functions({ ...init, buildTimeoutMs, writeTimeoutMs })
    this.#manage = lazyManagement({ ...init, limits: this.#limits, functions, callers, url: () => this.url })
    this.#server = this.#createServer()
    const { host, tls } = init
    const accept = (socket: Duplex): void => void this.#server.emit('connection', socket)
    const admit = (socket: Socket): boolean => this.#admit(socket)
    this.#secure = tls && new SecureDoor({ ...tls, host, clock, events, limits: this.#limits, admit, accept })
  }

  /** The same over TLS, where it has a certificate. Throws before `start()`. */
  get secureUrl(): string | undefined {
    return this.#secure?.url
  }

  /** Base URL with the actual port. Throws before `start()`. */
  get url(): string {
    const address = this.#server.address() as AddressInfo | null
    if (address === null) throw new OsirisError('unavailable', 'Cannot tell the HTTP address: the server is not listening')
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `http://${host}:${address.port}`
  }

  /** Listens. Throws `conflict` for a taken port, `invalid_argument` for an address this machine does not have. */
  async start(): Promise<void> {
    if (this.#server.listening) return
    await this.#listen()
    await this.#listenSecurely()
    this.#stopSweep = every(
      this.#init.clock,
      SWEEP_MS,
      () => this.#sweep(),
      () => {},
    )
  }

  /** Takes no new connections, lets requests in flight end within `drainMs`, then closes every socket. */
  async stop(): Promise<void> {
    if (!this.#server.listening && this.#stopped === undefined) return
    this.#stopped ??= this.#drain()
    await this.#stopped
  }

  #createServer(): Server {
    const limits = this.#limits
    const server = createServer({
      keepAlive: true,
      noDelay: true,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      // Bodies have bounds of their own: a long upload is no attack.
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: SWEEP_MS,
      // Refused here, as a problem document.
      requireHostHeader: false,
      shouldUpgradeCallback: asksForWebSocket,
    })
    server.maxConnections = limits.connectionsMax
    server.timeout = limits.stallTimeoutMs
    server.on('timeout', (socket: Socket) => this.#quiet(socket))
    server.on('connection', (socket: Socket) => this.#accept(socket))
    server.on('request', (request, response) => this.#dispatch(request, response))
    server.on('checkContinue', (request, response) => {
      if (Number(request.headers['content-length'] ?? 0) <= limits.bodyBytesMax) response.writeContinue()
      this.#dispatch(request, response)
    })
    // An expectation nobody knows may be ignored (RFC 9110 section 10.1.1).
    server.on('checkExpectation', (request, response) => this.#dispatch(request, response))
    server.on('upgrade', (request, socket, head) => this.#upgrade({ request, socket: socket as Socket, head }))
    server.on('connect', (_request, socket) => refuseTunnel(socket))
    server.on('clientError', (error, socket) => answerClientError(error, socket as Socket, limits))
    return server
  }

  #accept(socket: Socket): void {
    if (!this.#admit(socket)) return refuseConnection(socket)
    const connection = new Connection(socket)
    this.#connections.add(connection)
    socket.once('close', () => {
      this.#connections.delete(connection)
      if (this.#connections.size === 0) this.#emptied()
    })
  }

  /** What came over TLS was let in before its handshake, and streams of HTTP/2 with their connection. */
  #admit(socket: Socket): boolean {
    const { remoteAddress = '' } = socket
    if ('encrypted' in socket) return true
    if (!this.#addresses.enter(remoteAddress)) {
      this.#tellCrowd(remoteAddress)
      return false
    }
    socket.once('close', () => this.#addresses.leave(remoteAddress))
    return true
  }

  /** Once a minute: whoever crowds in does so a thousand times a second. */
  #tellCrowd(address: string): void {
    const now = this.#init.clock.monotonic()
    if (now < this.#crowdToldAt + CROWD_MS) return
    this.#crowdToldAt = now
    const text = `Refusing connections from ${address}: it has ${this.#limits.connectionsPerAddressMax} already`
    this.#init.events.emit('log', { level: 'warn', room: 'http', text })
  }

  /** No byte for a while. A call that runs is silent by nature. */
  #quiet(socket: Socket): void {
    if (connectionAt(socket).isStale) socket.destroy()
  }

  #upgrade(upgrade: Upgrade): void {
    const { request } = upgrade
    this.#upgrades.take(upgrade, () => {
      if (this.#draining) throw new OsirisError('unavailable', 'Cannot open a WebSocket: the node is stopping')
      assertReadOneWay(request.rawHeaders, request.headers['transfer-encoding'])
      const url = originForm(request.url ?? '', request.headers.host)
      const host = this.#hosts(request.headers.host as string)
      if (host.ref !== undefined) return { target: host.ref, url }
      const way = wayOf(url)
      if (way === 'route') return { target: { host: host.name, method: 'GET', path: routedPath(url) }, url }
      if (way !== 'fetch')
        throw new OsirisError('invalid_argument', `Cannot open a WebSocket: ${pathOf(url).slice(0, 200)} is not a web function`)
      const found = fetchTarget(url)
      return { target: found.ref, url: found.url }
    })
  }

  #dispatch(request: IncomingMessage, response: ServerResponse): void {
    if (this.#draining) response.shouldKeepAlive = false
    try {
      assertReadOneWay(request.rawHeaders, request.headers['transfer-encoding'])
      const url = originForm(request.url ?? '', request.headers.host)
      if (this.#init.challenges?.respond(request, response, url) === true) return
      const host = this.#hosts(request.headers.host as string)
      if (host.ref !== undefined) return this.#fetch(request, response, host.ref, url)
      const way = wayOf(url)
      if (way === 'call') return this.#call(request, response, url)
      if (way === 'platform')
        return HEALTH_PATHS.has(pathOf(url)) ? this.#health(request, response, url) : this.#toManagement(request, response)
      if (way === 'route')
        return this.#fetch(request, response, { host: host.name, method: request.method ?? 'GET', path: routedPath(url) }, url)
      const target = fetchTarget(url)
      this.#fetch(request, response, target.ref, target.url, target.ref)
    } catch (error) {
      refuseRequest(this.#parts, request, response, error)
    }
  }

  #toManagement(request: IncomingMessage, response: ServerResponse): void {
    const exchange = beginExchange(this.#parts, request, response)
    response.once('close', () => exchange.connection.end(exchange.flight))
    awaitBody(exchange)
    this.#manage(request, response).catch((error: unknown) => refuse(exchange, error))
  }

  #unreadiness(): string | undefined {
    if (this.#draining) return 'the node is stopping'
    return this.#init.self.ready() ? undefined : 'the node is starting'
  }

  #counts(): { peers: number; functions: number } {
    const { network, self } = this.#init
    return { peers: network.members.list().filter(({ connected }) => connected).length, functions: self.status().functions }
  }

  #listen(): Promise<void> {
    const { host, port } = this.#init
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port))
      this.#server.once('error', onError)
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', onError)
        this.#server.on('error', (error) => {
          this.#init.events.emit('log', { level: 'error', room: 'http', text: `Cannot accept a connection: ${error.message}` })
        })
        resolve()
      })
    })
  }

  async #listenSecurely(): Promise<void> {
    try {
      await this.#secure?.start()
      if (this.secureUrl !== undefined)
        this.#init.events.emit('log', { level: 'info', room: 'http', text: `Serving HTTPS at ${this.secureUrl}` })
    } catch (error) {
      this.#server.close()
      throw error instanceof OsirisError
        ? error
        : listenError(error as NodeJS.ErrnoException, this.#init.host, this.#init.tls?.port ?? 0, '--https-port')
    }
  }

  /** Refuses bodies of which a part is here and the rest does not come; cuts clients that hardly take their answers. */
  #sweep(): void {
    const now = this.#init.clock.monotonic()
    const { readWindowMs, readBytesMin } = this.#limits
    for (const connection of this.#connections) {
      const { collecting } = connection
      if (connection.isCrawling(now, readWindowMs, readBytesMin)) connection.socket.destroy()
      if (collecting === undefined || now - collecting.since <= this.#limits.bodyTimeoutMs) continue
      connection.collecting = undefined
      collecting.late()
    }
  }

  async #drain(): Promise<void> {
    this.#draining = true
    this.#stopSweep()
    const emptied = new Promise<void>((resolve) => (this.#emptied = resolve))
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    if (this.#connections.size === 0) this.#emptied()
    for (const connection of this.#connections) {
      for (const { response } of connection.flights) if (!response.headersSent) response.shouldKeepAlive = false
    }
    this.#upgrades.close()
    await this.#secure?.stop()
    const cancel = this.#init.clock.after(this.#limits.drainMs, () => {
      this.#upgrades.terminate()
      this.#secure?.terminate()
      this.#server.closeAllConnections()
    })
    // Those that came over TLS are not the plain server's to wait for.
    await Promise.all([closed, emptied])
    cancel()
    this.#secure?.terminate()
    // Their sockets are destroyed; that each of them says so may take another turn.
    for (const connection of this.#connections) connection.abandon()
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number, flag = '--http-port'): OsirisError {
  const act = `Cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port}`
  const options = { cause: error }
  if (error.code === 'EADDRINUSE') return new OsirisError('conflict', `${act}: the port is taken; choose another with ${flag}`, options)
  if (error.code === 'EACCES')
    return new OsirisError('forbidden', `${act}: this user may not open the port; choose another with ${flag}`, options)
  return new OsirisError('invalid_argument', `${act}: ${error.message}`, options)
}
