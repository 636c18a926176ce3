/** Certificates of the domains that count here, from an authority: kept, served by name, renewed ahead. Nothing waits for it: a name without one gets the operator's. */
import { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import type { Events } from '#protocols/events'
import { type Clock, every } from '#protocols/lifecycle'
import { contextOf } from '../certificate-files.ts'
import type { Authority, Issued } from './authority.ts'
import { dueAt, type Known } from './due.ts'
import type { CertificateFolder } from './folder.ts'

/** A new domain waits so long at most; an order takes seconds. */
const ROUND_MS = 60_000
/** Names one node has certificates for: authorities give some hundred a week. */
const HOSTS_MAX = 1_000

export interface AcmeCertificatesInit {
  folder: CertificateFolder
  authority: Authority
  /** Names that lead here, in lower case, as far as anybody can tell. */
  hosts: () => Promise<string[]>
  clock: Clock
  events: Events
}

interface Entry extends Known {
  context?: SecureContext
}

export class AcmeCertificates {
  readonly #init: AcmeCertificatesInit
  readonly #entries = new Map<string, Entry>()
  #stop = (): void => {}

  constructor(init: AcmeCertificatesInit) {
    this.#init = init
  }

  /** Reads what is kept; orders begin with the first round, in the background. */
  async start(): Promise<void> {
    this.#stop()
    for (const [host, issued] of await this.#init.folder.all()) this.#serve(host, issued)
    const failed = (error: unknown) => this.#tell(`Cannot look after certificates: ${(error as Error).message}`)
    this.#stop = every(this.#init.clock, ROUND_MS, () => this.round(), failed)
  }

  stop(): void {
    this.#stop()
    this.#stop = () => {}
  }

  /** What to serve a client who asks for this name; nothing where there is none that has not ended. */
  contextFor(name: string): SecureContext | undefined {
    const entry = this.#entries.get(name.toLowerCase())
    return entry?.to !== undefined && entry.to > this.#init.clock.now() ? entry.context : undefined
  }

  /** Orders what is due, one name after the other. */
  async round(): Promise<void> {
    for (const host of (await this.#init.hosts()).slice(0, HOSTS_MAX)) {
      const entry = this.#entries.get(host) ?? { failures: 0 }
      this.#entries.set(host, entry)
      if (dueAt(entry) <= this.#init.clock.now()) await this.#order(host, entry)
    }
  }

  async #order(host: string, entry: Entry): Promise<void> {
    const { authority, folder, events, clock } = this.#init
    try {
      const issued = await authority.order(host)
      this.#serve(host, issued)
      await folder.keep(host, issued)
      events.emit('log', { level: 'info', room: 'http', text: `Serving a new certificate for ${host}` })
    } catch (error) {
      entry.failures++
      entry.failedAt = clock.now()
      const next = new Date(dueAt(entry)).toISOString()
      this.#tell(`Cannot get a certificate for ${host}: ${(error as Error).message.slice(0, 300)}; next try ${next}`)
    }
  }

  /** Throws for what does not go together; what is kept and has ended is asked for again. */
  #serve(host: string, { cert, key }: Issued): void {
    const { validFromDate, validToDate } = new X509Certificate(cert)
    const context = contextOf({ cert: `for ${host}`, key: 'its order' }, cert, key, validFromDate.getTime())
    this.#entries.set(host, { context, from: validFromDate.getTime(), to: validToDate.getTime(), failures: 0 })
  }

  #tell(text: string): void {
    this.#init.events.emit('log', { level: 'warn', room: 'http', text })
  }
}
