/** Request (Fetch Standard), as a function receives and makes it. What only browsers do (mode, credentials, cache) is kept, not acted on. */
import { AbortController, AbortSignal, isAbortSignal } from './abort.ts'
import { Body, extract, type Source } from './body.ts'
import { Headers, type HeadersInput } from './headers.ts'
import { stringOf } from './text.ts'
import { urls } from './urls.ts'

export interface RequestInit {
  method?: string
  headers?: HeadersInput
  body?: unknown
  signal?: AbortSignal | null
  redirect?: string
  mode?: string
  credentials?: string
  cache?: string
  referrer?: string
  referrerPolicy?: string
  integrity?: string
  keepalive?: boolean
}

/** What a request says unless it is told otherwise. */
const DEFAULTS = {
  ...{ redirect: 'follow', mode: 'cors', credentials: 'same-origin', cache: 'default' },
  ...{ referrer: 'about:client', referrerPolicy: '', integrity: '', keepalive: false },
}
type Settings = typeof DEFAULTS
const REDIRECTS = new Set(['follow', 'error', 'manual'])

/** Methods whose case does not matter (Fetch Standard, normalize). */
const NORMALIZED = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
const FORBIDDEN = new Set(['CONNECT', 'TRACE', 'TRACK'])
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-zA-Z]+$/

/** What the host hands over for a request that came in: nothing of it is parsed again. */
export interface Incoming {
  method: string
  url: string
  headers: [string, string][]
  source: Source
  settings?: Settings
  /** Made only when somebody asks for it. */
  signal: () => AbortSignal
}
const INCOMING = Symbol('incoming')

export class Request extends Body {
  readonly #method: string
  readonly #url: string
  readonly #headers: Headers
  readonly #settings: Settings
  #signal: AbortSignal | (() => AbortSignal)

  constructor(input: string | URL | Request | typeof INCOMING, init: RequestInit | Incoming = {}) {
    if (input === INCOMING) {
      const incoming = init as Incoming
      super(incoming.source)
      this.#method = incoming.method
      this.#url = incoming.url
      this.#headers = Headers.wrap(incoming.headers)
      this.#settings = incoming.settings ?? DEFAULTS
      this.#signal = incoming.signal
      return
    }
    const options = (init ?? {}) as RequestInit
    const from = input instanceof Request ? input : undefined
    const method = methodOf(options.method ?? from?.method ?? 'GET')
    const { source, type } = options.body === undefined || options.body === null ? inherited(from) : extract(options.body)
    if (source !== null && (method === 'GET' || method === 'HEAD')) throw new TypeError(`A request with method ${method} has no body`)
    super(source)
    this.#method = method
    this.#url = from?.url ?? new (urls().URL)(stringOf(input)).href
    this.#headers = new Headers(options.headers ?? from?.headers)
    if (type !== null && !this.#headers.has('content-type')) this.#headers.set('content-type', type)
    this.#settings = settingsOf(options, from === undefined ? DEFAULTS : from.#settings)
    this.#signal = following(options.signal === undefined && from !== undefined ? () => from.signal : options.signal)
  }

  static incoming(incoming: Incoming): Request {
    return new Request(INCOMING, incoming)
  }

  get method(): string {
    return this.#method
  }

  get url(): string {
    return this.#url
  }

  get headers(): Headers {
    return this.#headers
  }

  get redirect(): string {
    return this.#settings.redirect
  }

  get mode(): string {
    return this.#settings.mode
  }

  get credentials(): string {
    return this.#settings.credentials
  }

  get cache(): string {
    return this.#settings.cache
  }

  get referrer(): string {
    return this.#settings.referrer
  }

  get referrerPolicy(): string {
    return this.#settings.referrerPolicy
  }

  get integrity(): string {
    return this.#settings.integrity
  }

  get keepalive(): boolean {
    return this.#settings.keepalive
  }

  get destination(): string {
    return ''
  }

  get signal(): AbortSignal {
    if (typeof this.#signal === 'function') this.#signal = this.#signal()
    return this.#signal
  }

  get duplex(): string {
    return 'half'
  }

  clone(): Request {
    const copy = { method: this.#method, url: this.#url, headers: [...Headers.list(this.#headers)] as [string, string][] }
    return Request.incoming({ ...copy, settings: this.#settings, source: Body.split(this), signal: following(() => this.signal) })
  }

  get [Symbol.toStringTag](): string {
    return 'Request'
  }
}

/** A signal of the request's own, made when somebody asks for it. */
function following(given: unknown): () => AbortSignal {
  if (given === null || given === undefined) return () => new AbortController().signal
  if (typeof given === 'function') return () => AbortSignal.any([(given as () => AbortSignal)()])
  if (!isAbortSignal(given)) throw new TypeError('The signal of a request is an AbortSignal')
  return () => AbortSignal.any([given])
}

function settingsOf(options: RequestInit, from: Settings): Settings {
  let settings = from
  for (const name of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const given = options[name]
    if (given !== undefined) settings = { ...settings, [name]: typeof from[name] === 'boolean' ? Boolean(given) : stringOf(given) }
  }
  if (!REDIRECTS.has(settings.redirect))
    throw new TypeError(`${JSON.stringify(settings.redirect.slice(0, 100))} is not a way to take redirects`)
  return settings
}

function inherited(from: Request | undefined): { source: Source; type: null } {
  return { source: from === undefined ? null : Body.take(from), type: null }
}

function methodOf(method: string): string {
  const text = stringOf(method)
  if (!TOKEN.test(text)) throw new TypeError(`${JSON.stringify(text.slice(0, 100))} is not a method`)
  const upper = text.toUpperCase()
  if (FORBIDDEN.has(upper)) throw new TypeError(`The method ${upper} is not allowed`)
  return NORMALIZED.has(upper) ? upper : text
}
