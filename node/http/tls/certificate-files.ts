/** The operator's certificate: two files, read again when they change, so that whatever renews them need not know about the node. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { type Clock, every } from '#protocols/lifecycle'

export interface TlsFiles {
  /** PEM: the certificate, then those between it and its root. */
  cert: string
  /** PEM, not encrypted. */
  key: string
}

export interface CertificateFilesInit {
  files: TlsFiles
  clock: Clock
  events: Events
  /** How often the files are looked at. */
  everyMs?: number
  /** What is served has changed. */
  changed?: (certificate: CertificateFiles) => void
}

/** Both are some hundred bytes; looking costs less than a connection. */
const EVERY_MS = 10_000
const OPTIONS = { minVersion: 'TLSv1.2', honorCipherOrder: true } as const

export class CertificateFiles {
  readonly #init: CertificateFilesInit
  #text = ''
  #refused = ''
  #pem: { cert: string; key: string } | undefined
  #context: SecureContext | undefined
  #stop = (): void => {}

  constructor(init: CertificateFilesInit) {
    this.#init = init
  }

  /** What is served now. Throws before `start()`. */
  get context(): SecureContext {
    if (this.#context === undefined) throw new OsirisError('unavailable', 'Cannot serve TLS: no certificate has been read')
    return this.#context
  }

  /** The same, as `tls.Server` takes it for clients that name no host. */
  get options(): SecureContextOptions {
    return { ...this.#pem, ...OPTIONS }
  }

  /** Throws `invalid_argument` for files that are not there or do not go together. */
  async start(): Promise<void> {
    this.#stop()
    await this.#read()
    this.#stop = every(
      this.#init.clock,
      this.#init.everyMs ?? EVERY_MS,
      () => this.#read(),
      (error) => this.#keep(error),
    )
  }

  stop(): void {
    this.#stop()
    this.#stop = () => {}
  }

  /** What can be used takes the place of what is served; connections that are open stay as they are. */
  async #read(): Promise<void> {
    const { files, events } = this.#init
    const [cert, key] = await Promise.all([textOf(files.cert, 'certificate'), textOf(files.key, 'key')])
    const text = `${cert}\n${key}`
    if (text === this.#text) return
    const context = contextOf(files, cert, key, this.#init.clock.now())
    const isFirst = this.#context === undefined
    this.#text = text
    this.#refused = ''
    this.#context = context
    this.#pem = { cert, key }
    this.#init.changed?.(this)
    if (!isFirst) events.emit('log', { level: 'info', room: 'http', text: `Serving the certificate that is now in ${files.cert}` })
  }

  /** Told once for each state of the files: half of a renewal is normal, and lasts a moment. */
  #keep(error: unknown): void {
    const { message } = error as Error
    if (message === this.#refused) return
    this.#refused = message
    this.#init.events.emit('log', { level: 'warn', room: 'http', text: `${message}; serving the one before` })
  }
}

async function textOf(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot read the TLS ${what} ${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** A context for what goes together and has not ended. Throws `invalid_argument`. */
export function contextOf(files: TlsFiles, cert: string, key: string, now: number): SecureContext {
  const act = `Cannot use the TLS certificate ${files.cert}`
  try {
    const certificate = new X509Certificate(cert)
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error(`it is not for the key in ${files.key}`)
    if (now > certificate.validToDate.getTime()) throw new Error(`it ended ${certificate.validTo}`)
    return createSecureContext({ cert, key, ...OPTIONS })
  } catch (error) {
    throw new OsirisError('invalid_argument', `${act}: ${(error as Error).message}`, { cause: error })
  }
}
