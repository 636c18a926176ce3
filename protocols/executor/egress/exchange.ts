/** One fetch of a function, from its head to the end of its response: hops, bodies both ways, caps, and one event for each hop. */
import type { IncomingMessage } from 'node:http'
import { OsirisError } from '#protocols/errors'
import type { EventMap } from '#protocols/events'
import { portOf } from '#protocols/egress'
import { RequestBody, ResponseBody } from '../body.ts'
import type { Call } from '../call.ts'
import { DO, type WireFetch } from '../frames.ts'
import type { InstanceSlot } from '../function-state.ts'
import type { Account, EgressLimits } from './account.ts'
import { codingsOf, decodedBody } from './decode.ts'
import { dial, type Dialed, type DialInit } from './dial.ts'
import { broken, brokenBytes, exceeded } from './failures.ts'
import { type Destination, judgeUrl } from './guard.ts'
import { headersIn } from './headers.ts'
import { type Hop, isRedirect, nextHop } from './redirect.ts'
import { exchange } from './request.ts'

export interface ExchangeInit {
  id: number
  slot: InstanceSlot
  call: Call
  /** The function's runtime knew whose it is; otherwise it is on all open calls of the instance, and ends with the last of them. */
  isOwned: boolean
  account: Account
  head: WireFetch
  /** The whole body, where it came with the head. */
  body: Uint8Array | undefined
  limits: EgressLimits
  dialing: DialInit
  /** Counts against the namespace; throws `quota_exceeded`. */
  charge(bytes: number): void
  audit(event: EventMap['function.egress']): void
  over(exchange: Exchange): void
}

/** Statuses without a body (Fetch Standard, null body status). */
const NULL_BODY = new Set([204, 205, 304])

type Record = Omit<EventMap['function.egress'], 'id' | 'namespace' | 'name' | 'version' | 'ms'> & { startedAt: number }

export class Exchange {
  readonly id: number
  readonly isOwned: boolean
  call: Call
  readonly #init: ExchangeInit
  readonly #abort = new AbortController()
  /** The request's body as the function sends it. */
  readonly #upload: ResponseBody | undefined
  readonly #download = new RequestBody()
  #socket: Dialed['socket'] | undefined
  #record: Record | undefined
  #bytesOut = 0
  #bytesIn = 0
  #ended = false
  #isStarted = false
  #hasHead = false

  constructor(init: ExchangeInit) {
    this.#init = init
    this.id = init.id
    this.isOwned = init.isOwned
    this.call = init.call
    if (init.head.streams) this.#upload = new ResponseBody({ credit: (bytes) => this.#say(DO.fetchCredit, bytes), cancel: () => {} })
  }

  /** Ends by itself; never rejects. */
  async run(): Promise<void> {
    this.#isStarted = true
    // Given up while it waited for its turn.
    if (this.#ended) return this.#init.account.headCame()
    try {
      const { response, destination, hop, isRedirected } = await this.#follow()
      await this.#give(response, destination, hop, isRedirected)
      if (!this.#ended) this.#say(DO.fetchEnd)
      this.#finish(null)
    } catch (error) {
      this.#fail(OsirisError.from(error, 'Cannot fetch', 'unavailable'))
    }
  }

  /** Throws when the worker sends more than it was granted, or a body that it did not announce. */
  onChunk(bytes: Uint8Array): void {
    if (this.#upload === undefined) throw new Error('a chunk of a fetch without a body')
    this.#upload.push(bytes)
  }

  onEnd(): void {
    this.#upload?.end()
  }

  onCredit(bytes: number): void {
    this.#download.credit(bytes)
  }

  /** The function gave it up, or its call is over: nothing is sent to the peer or the function any more. */
  cancel(): void {
    this.#finish('unavailable')
  }

  async #follow(): Promise<{ response: IncomingMessage; destination: Destination; hop: Hop; isRedirected: boolean }> {
    const { head, limits, body, account } = this.#init
    let hop: Hop = { method: head.method, url: head.url, headers: head.headers, hasBody: body !== undefined || head.streams }
    for (let hops = 0; ; hops++) {
      // The first was counted when it came in.
      if (hops > 0) account.count()
      const { response, destination } = await this.#send(hop, hops > 0)
      const status = response.statusCode ?? 0
      const { location } = response.headers
      if (!isRedirect(status) || location === undefined || head.redirect === 'manual')
        return { response, destination, hop, isRedirected: hops > 0 }
      this.#leave(status)
      if (head.redirect === 'error') throw broken(destination, `it answered ${status}, and redirects are not wanted`)
      if (hops >= limits.egressRedirectsMax) throw broken(destination, `it redirects more than ${limits.egressRedirectsMax} times`)
      hop = follow(hop, status, location, destination)
      if (hop.hasBody && head.streams) throw broken(destination, `it answered ${status}, and the body cannot be sent again`)
    }
  }

  async #send(hop: Hop, isRedirected: boolean): Promise<{ response: IncomingMessage; destination: Destination }> {
    const { head, body, dialing, limits, slot } = this.#init
    const record = this.#begin(hop.url)
    const destination = judgeUrl(hop.url, slot.fn.egress, dialing.policy())
    const { socket, address } = await dial(destination, dialing, this.#abort.signal)
    this.#socket = socket
    record.address = address
    if (this.#ended) throw broken(destination, 'it was given up')
    const stream = isRedirected ? undefined : this.#upload
    const sent = { method: hop.method, headers: hop.headers, body: hop.hasBody ? (body ?? stream) : undefined, bodyBytes: head.bytes }
    const times = { clock: dialing.clock, headMs: limits.egressHeadMs, idleMs: limits.egressIdleMs }
    const response = await exchange(destination, socket, sent, times, (bytes) => this.#countOut(bytes))
    record.status = response.statusCode ?? null
    return { response, destination }
  }

  async #give(response: IncomingMessage, destination: Destination, hop: Hop, isRedirected: boolean): Promise<void> {
    const { dialing, limits, account } = this.#init
    const status = response.statusCode ?? 0
    const hasBody = hop.method !== 'HEAD' && !NULL_BODY.has(status)
    const codings = hasBody ? codingsOf(response.headers['content-encoding']) : []
    let headers
    try {
      headers = headersIn(response.rawHeaders, codings.length > 0)
    } catch (error) {
      throw broken(destination, (error as Error).message)
    }
    destination.url.hash = ''
    const url = destination.url.href
    const head = { status, statusText: response.statusMessage ?? '', url, redirected: isRedirected, headers, body: hasBody }
    this.#hasHead = true
    account.headCame()
    if (this.#ended) return
    this.#say(DO.fetchHead, 0, Buffer.from(JSON.stringify(head)))
    const body = decodedBody(destination, response, codings, {
      clock: dialing.clock,
      idleMs: limits.egressIdleMs,
      onWire: (bytes) => this.#countIn(bytes),
      onDecoded: (bytes) => this.#countDecoded(bytes),
    })
    await this.#download.pump(body, (chunk) => {
      if (this.#ended) return false
      this.#say(DO.fetchChunk, 0, chunk)
      return true
    })
  }

  #countOut(bytes: number): void {
    const { egressBytesOutMax } = this.#init.limits
    this.#bytesOut += bytes
    if (this.#record !== undefined) this.#record.bytesOut += bytes
    if (this.#bytesOut > egressBytesOutMax) throw exceeded(`the request's body is longer than ${egressBytesOutMax} bytes`)
    this.#init.account.take(bytes)
    this.#init.charge(bytes)
  }

  #countIn(bytes: number): void {
    if (this.#record !== undefined) this.#record.bytesIn += bytes
    this.#init.charge(bytes)
  }

  #countDecoded(bytes: number): void {
    const { egressBytesInMax } = this.#init.limits
    this.#bytesIn += bytes
    if (this.#bytesIn > egressBytesInMax) throw exceeded(`the response's body is longer than ${egressBytesInMax} bytes`)
    this.#init.account.take(bytes)
  }

  #begin(url: string): Record {
    const known = URL.canParse(url) ? new URL(url) : undefined
    const startedAt = this.#init.dialing.clock.monotonic()
    this.#record = {
      host: known?.host.slice(0, 300) ?? '',
      address: '',
      port: known === undefined ? 0 : portOf(known),
      status: null,
      code: null,
      bytesIn: 0,
      bytesOut: 0,
      startedAt,
    }
    return this.#record
  }

  /** This hop is over. */
  #leave(status: number | null, code: EventMap['function.egress']['code'] = null): void {
    this.#socket?.destroy()
    this.#socket = undefined
    const record = this.#record
    if (record === undefined) return
    this.#record = undefined
    const { startedAt, ...told } = record
    const { namespace, name, version } = this.#init.slot.fn.record
    const ms = this.#init.dialing.clock.monotonic() - startedAt
    const id = this.call.invocation.id
    this.#init.audit({ id, namespace, name, version, ...told, status: status ?? told.status, code, ms })
  }

  #fail(error: OsirisError): void {
    if (this.#ended) return
    this.#say(DO.fetchBroken, 0, brokenBytes(error))
    this.#finish(error.code)
  }

  #finish(code: EventMap['function.egress']['code']): void {
    if (this.#ended) return
    this.#ended = true
    this.#abort.abort(new OsirisError('unavailable', 'Cannot fetch: it was given up'))
    this.#upload?.end()
    this.#download.stop()
    this.#leave(null, code)
    if (this.#isStarted && !this.#hasHead) this.#init.account.headCame()
    this.#init.over(this)
  }

  #say(kind: number, b = 0, payload?: Uint8Array): void {
    const { slot, id } = this.#init
    if (this.#ended || slot.state === 'gone' || slot.worker.isEnded) return
    slot.worker.frame(kind, id, slot.id, b, payload)
  }
}

function follow(hop: Hop, status: number, location: string, destination: Destination): Hop {
  try {
    return nextHop(hop, status, location)
  } catch (error) {
    throw broken(destination, (error as Error).message)
  }
}
