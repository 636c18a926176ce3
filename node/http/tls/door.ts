/**
 * The HTTPS door: TLS, then HTTP/1.1 to the very server that serves without it, or HTTP/2, each of whose streams becomes a request of that server (`h2.ts`).
 * So there is one place that judges requests, however they came.
 */
import { performServerHandshake, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Startable } from '#protocols/lifecycle'
import type { HttpLimits } from '../limits.ts'
import type { AcmeCertificates } from './acme/certificates.ts'
import { CertificateFiles, type TlsFiles } from './certificate-files.ts'
import { serveSession, SESSION_OPTIONS } from './h2.ts'

export interface SecureDoorInit {
  host: string
  /** 0 takes any free port. */
  port: number
  /** The operator's; absent: only names that an authority has signed for are served. */
  files?: TlsFiles | undefined
  acme?: AcmeCertificates | undefined
  clock: Clock
  events: Events
  limits: HttpLimits
  /** Whether its address may have one more connection, asked before anything is read of it. */
  admit: (socket: Socket) => boolean
  /** Takes a connection on which HTTP/1.1 is spoken; `from` is the client's address. */
  accept: (connection: Duplex) => void
}

export class SecureDoor implements Startable {
  readonly #init: SecureDoorInit
  readonly #certificate: CertificateFiles | undefined
  readonly #server: Server
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sockets = new Set<TLSSocket>()

  constructor(init: SecureDoorInit) {
    this.#init = init
    // Set for clients that name no host.
    const { files } = init
    const changed = (certificate: CertificateFiles): void => this.#server.setSecureContext(certificate.options)
    this.#certificate = files && new CertificateFiles({ ...init, files, changed })
    this.#server = createServer({
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: init.limits.headersTimeoutMs,
      // Hosts are judged by the request, whatever name was asked for here.
      SNICallback: (name, done) => done(null, init.acme?.contextFor(name) ?? this.#certificate?.context),
    })
    this.#server.maxConnections = init.limits.connectionsMax
    this.#server.on('connection', (socket: Socket) => {
      if (!init.admit(socket)) socket.destroy()
    })
    this.#server.on('secureConnection', (socket) => this.#accept(socket))
    // A handshake that fails is the client's to know.
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  /** Base URL with the actual port. Throws before `start()`. */
  get url(): string {
    const address = this.#server.address() as AddressInfo | null
    if (address === null) throw new OsirisError('unavailable', 'Cannot tell the HTTPS address: the server is not listening')
    return `https://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
  }

  /** Rejects with what is wrong with the certificate, or with the system's word about the address. */
  async start(): Promise<void> {
    if (this.#server.listening) return
    await this.#certificate?.start()
    await this.#init.acme?.start()
    const { host, port } = this.#init
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) =>
          this.#init.events.emit('log', { level: 'error', room: 'http', text: `Cannot accept a connection: ${error.message}` }),
        )
        resolve()
      })
    })
  }

  /** Takes no new connections and lets streams end; `terminate` ends what is left. */
  async stop(): Promise<void> {
    this.#certificate?.stop()
    this.#init.acme?.stop()
    if (!this.#server.listening) return
    this.#server.close()
    for (const session of this.#sessions) session.close()
  }

  terminate(): void {
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: TLSSocket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    if (socket.alpnProtocol !== 'h2') return this.#init.accept(socket)
    const session = performServerHandshake(socket, SESSION_OPTIONS)
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    serveSession(session, { limits: this.#init.limits, accept: this.#init.accept, remoteAddress: socket.remoteAddress })
  }
}
