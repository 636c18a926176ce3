/**
 * fetch (Fetch Standard, as far as it fits a server): every request leaves through the node, which decides. No cookies are kept, nothing is cached,
 * there is no origin: `redirect: 'manual'` gives the redirect itself, and every response is of type `basic`.
 */
import type { ReadableStream } from 'web-streams-polyfill'
import { FETCH_URL_MAX } from '../../../bounds.ts'
import type { WireFetch, WireFetched } from '../../../frames.ts'
import { Body, type Source } from './body.ts'
import { EVENT, OUT } from './codes.ts'
import { osirisError } from './errors.ts'
import type { AbortSignal } from './abort.ts'
import { Headers, pairsText } from './headers.ts'
import { IncomingStream } from './incoming-stream.ts'
import { say } from './outbox.ts'
import { isLong, OutgoingStream } from './outgoing-stream.ts'
import { apply, mapDelete, mapForEach, mapGet, mapSet, parse, PromiseThen, resolved, SafeMap, slice, stringify } from './primordials.ts'
import { Request, type RequestInit } from './request.ts'
import { Response } from './response.ts'
import { enter, isOver, onCallEnd, owner } from './state.ts'
import { utf8Length } from './text.ts'
import { excessOf } from './web-call.ts'

/** Under way at once in one instance: more than the node lets any call have. */
const OPEN_MAX = 256
const REDIRECTS = new Set(['follow', 'manual', 'error'])

interface Broken {
  code: string
  message: string
  limit?: string
  /** The system's word for it: `ECONNREFUSED`. */
  cause?: string
}

const fetching = new SafeMap<number, Fetching>()
let open = 0
let lastId = 0
const NativePromise = Promise

export function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  return new NativePromise((resolve, reject) => {
    const request = new Request(input, init)
    const { signal } = request
    if (signal.aborted) throw signal.reason
    if (isOver()) throw osirisError({ code: 'egress_denied', message: 'Cannot fetch: the call that would is over' })
    if (open >= OPEN_MAX)
      throw osirisError({ code: 'quota_exceeded', message: `Cannot fetch: ${OPEN_MAX} fetches are under way`, limit: 'requests' })
    const head = headOf(request)
    const started = new Fetching(signal, resolve, reject)
    started.send(head, Body.take(request))
  })
}

/** What the host has to say about one of them. The call on whose account it goes on, or 0. */
export function fetchEvent(kind: number, id: number, value: unknown): number {
  const one = mapGet(fetching, id) as Fetching | undefined
  if (one === undefined) return 0
  enter(one.owner)
  if (kind === EVENT.fetchHead) one.onHead(parse(value as string) as WireFetched)
  else if (kind === EVENT.fetchChunk) one.onChunk(value as Uint8Array<ArrayBuffer>)
  else if (kind === EVENT.fetchEnd) one.onEnd()
  else if (kind === EVENT.fetchCredit) one.onCredit(value as number)
  else one.onBroken(parse(value as string) as Broken)
  return one.owner
}

class Fetching {
  readonly id: number
  readonly owner = owner()
  readonly #signal: AbortSignal
  readonly #resolve: (response: Response) => void
  readonly #reject: (reason: unknown) => void
  readonly #outgoing = new OutgoingStream()
  readonly #onAbort = () => {
    const { reason } = this.#signal
    this.#leave(reason)
    this.#fail(reason)
  }
  #incoming: IncomingStream | undefined

  constructor(signal: AbortSignal, resolve: (response: Response) => void, reject: (reason: unknown) => void) {
    this.id = lastId = (lastId + 1) >>> 0 || 1
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
  }

  send(head: WireFetch, source: Source): void {
    mapSet(fetching, this.id, this)
    open++
    this.#signal.addEventListener('abort', this.#onAbort, { once: true })
    head.call = this.owner
    const isShort = source === null || ((typeof source === 'string' || source instanceof Uint8Array) && !isLong(source))
    if (isShort) return say(OUT.fetch, this.id, textOf(head), source ?? undefined)
    head.streams = true
    if (typeof source === 'string') head.bytes = utf8Length(source)
    else if (source instanceof Uint8Array) head.bytes = source.length
    say(OUT.fetch, this.id, textOf(head))
    this.#upload(new Response(source).body as ReadableStream)
  }

  onHead(head: WireFetched): void {
    if (head.body)
      this.#incoming = new IncomingStream(
        (bytes) => say(OUT.fetchCredit, this.id, bytes),
        () => this.#leave(new TypeError('The response is not read any more')),
      )
    apply(this.#resolve, undefined, [Response.received(head, this.#incoming?.stream ?? null)])
  }

  onChunk(bytes: Uint8Array<ArrayBuffer>): void {
    this.#incoming?.push(bytes)
  }

  onEnd(): void {
    this.#close()
    this.#outgoing.stop(new TypeError('The response is over'))
    this.#incoming?.end()
  }

  onCredit(bytes: number): void {
    this.#outgoing.credit(bytes)
  }

  onBroken(broken: Broken): void {
    this.#close()
    this.#fail(errorOf(broken))
  }

  /** Its call is over. A signal that is aborted with the call, later in this turn, still rejects it; then nobody is left to hear. */
  drop(): void {
    mapDelete(fetching, this.id)
    open--
    this.#outgoing.stop(new TypeError('The call is over'))
    void PromiseThen(resolved(undefined), () => this.#signal.removeEventListener('abort', this.#onAbort))
  }

  #upload(stream: ReadableStream): void {
    this.#outgoing
      .pump(stream, (part) => say(OUT.fetchChunk, this.id, part))
      .then(
        () => {
          if (mapGet(fetching, this.id) === this) say(OUT.fetchEnd, this.id)
        },
        (error: unknown) => {
          if (this.#leave(error)) this.#fail(error)
        },
      )
  }

  /** Whether it was under way. */
  #leave(reason: unknown): boolean {
    if (!this.#close()) return false
    this.#outgoing.stop(reason)
    say(OUT.fetchCancel, this.id)
    return true
  }

  #fail(reason: unknown): void {
    this.#outgoing.stop(reason)
    this.#incoming?.fail(reason)
    apply(this.#reject, undefined, [reason])
  }

  #close(): boolean {
    if (mapGet(fetching, this.id) !== this) return false
    mapDelete(fetching, this.id)
    open--
    this.#signal.removeEventListener('abort', this.#onAbort)
    return true
  }
}

function headOf(request: Request): WireFetch {
  const { method, url, redirect } = request
  const headers = Headers.list(request.headers)
  if (!REDIRECTS.has(redirect)) throw new TypeError(`${stringify(redirect)} is not a way to treat redirects`)
  if (url.length > FETCH_URL_MAX) throw new TypeError(`Cannot fetch: the URL is longer than ${FETCH_URL_MAX} characters`)
  const excess = excessOf(headers, 'request')
  if (excess !== undefined) throw new TypeError(`Cannot fetch: ${excess}`)
  return { call: 0, method, url, headers, redirect: redirect as WireFetch['redirect'], streams: false }
}

function textOf({ headers, ...head }: WireFetch): string {
  return `${slice(stringify({ __proto__: null, ...head }), 0, -1)},"headers":${pairsText(headers)}}`
}

/** What the network did is a TypeError, as the standard has it; what the platform decided carries its code. */
function errorOf(broken: Broken): Error {
  if (broken.code !== 'unavailable') return osirisError(broken)
  const error = new TypeError(broken.message)
  if (broken.cause !== undefined) error.cause = Object.assign(new Error(broken.cause), { code: broken.cause })
  return error
}

onCallEnd((id, nobodyLeft) => {
  if (open === 0) return
  mapForEach(fetching, (value: unknown) => {
    const one = value as Fetching
    if (nobodyLeft || one.owner === id) one.drop()
  })
})
