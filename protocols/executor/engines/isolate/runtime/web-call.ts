/** One request of a web function: Request in, Response out, both bodies at the pace of whoever takes them. */
import type { ReadableStream } from 'web-streams-polyfill'
import { HEADER_CHARACTERS_MAX, HEADER_NAME_MAX, HEADERS_MAX } from '../../../bounds.ts'
import type { EventHandler } from '#protocols/invocation'
import { SocketDecoder } from '#protocols/socket'
import type { WireRequest, WireSettings } from '../../../frames.ts'
import type { Source } from './body.ts'
import { OUT } from './codes.ts'
import { uncaught } from './console.ts'
import { failureText, thrownText } from './errors.ts'
import { AbortController } from './abort.ts'
import { pairsText } from './headers.ts'
import { IncomingStream } from './incoming-stream.ts'
import { loaded } from './loaded.ts'
import { say } from './outbox.ts'
import { isLong, OutgoingStream } from './outgoing-stream.ts'
import { apply, parse, PromiseThen, resolved } from './primordials.ts'
import { Request } from './request.ts'
import { Response } from './response.ts'
import { routeValue } from './route-value.ts'
import { SocketLink } from './socket-link.ts'
import { isStream } from './streams.ts'
import { type Active, end, enter, register } from './state.ts'
import { isThenable, type ValueFunction } from './value-call.ts'
import type { Coupled, WebSocket } from './web-socket.ts'

const { keys } = Object
const OPEN = 1
const CLOSED = 2

export type Method = (...args: never[]) => unknown

export interface WebFunction {
  name: string
  self: unknown
  methods: { [name in 'fetch' | EventHandler]: Method | undefined }
  env: Record<string, string>
}

export function callRequest(
  web: WebFunction | undefined,
  value: ValueFunction | undefined,
  settings: WireSettings,
  id: number,
  head: string,
  body: string | Uint8Array<ArrayBuffer> | undefined,
): void {
  const call = new WebCall(id, settings.name)
  register(call)
  enter(id)
  try {
    if (web !== undefined && web.methods.fetch === undefined) return call.fail(failureText('invalid_argument', lacking(web, 'fetch')))
    const wire = parse(head) as WireRequest
    const request = call.receive(wire, body)
    const answer =
      web === undefined
        ? routeValue(value as ValueFunction, settings.parameters, wire, request)
        : apply(web.methods.fetch as Method, web.self, [request, web.env, call.context()])
    if (!isThenable(answer)) call.respond(answer)
    else
      void PromiseThen(
        resolved(answer),
        (response: unknown) => call.respond(response),
        (error: unknown) => call.fail(thrownText(error)),
      )
  } catch (error) {
    call.fail(thrownText(error))
  }
}

/** What to say where a web function has no such method: what it has. */
export function lacking({ name, methods }: WebFunction, wanted: 'fetch' | EventHandler): string {
  return `Cannot run "${name}": its default export has no ${wanted} method (it has: ${keys(methods)
    .filter((each) => methods[each as keyof typeof methods] !== undefined)
    .join(', ')})`
}

class WebCall implements Active {
  readonly id: number
  readonly #name: string
  #incoming: IncomingStream | undefined
  #controller: AbortController | undefined
  #cancelled: Error | undefined
  readonly #outgoing = new OutgoingStream()
  #answered = false
  #sending = false
  /** Set where the client asks for a WebSocket. */
  #frames: SocketDecoder | undefined
  #link: SocketLink | undefined
  #client: Coupled | undefined
  #pledges = 0

  constructor(id: number, name: string) {
    this.id = id
    this.#name = name
  }

  receive(wire: WireRequest, body: string | Uint8Array<ArrayBuffer> | undefined): Request {
    if (wire.upgrade === true) this.#frames = new SocketDecoder((kind, payload) => this.#client?.arrived(kind, payload))
    else if (wire.streams) this.#incoming = new IncomingStream((bytes) => say(OUT.credit, this.id, bytes))
    const source: Source = this.#incoming?.stream ?? body ?? null
    return Request.incoming({ method: wire.method, url: wire.url, headers: wire.headers, source, signal: () => this.#signal() })
  }

  context(): object {
    return {
      waitUntil: (promise: unknown) => this.#waitUntil(promise),
      passThroughOnException: () => {},
      props: {},
    }
  }

  respond(answer: unknown): void {
    if (this.#answered || this.#cancelled !== undefined) return
    if (!Response.is(answer)) return this.fail(failureText('function_failed', `Cannot answer for "${this.#name}": fetch gave no Response`))
    try {
      const { status, headers, source, webSocket } = Response.send(answer)
      if (webSocket !== null) return this.#upgrade(headers, webSocket)
      if (status === 0) return this.fail(failureText('function_failed', `Cannot answer for "${this.#name}": fetch gave Response.error()`))
      // What another server answered may be out of range.
      if (status < 200 || status > 599)
        return this.fail(failureText('function_failed', `Cannot answer for "${this.#name}": ${status} is no status of an answer`))
      const excess = excessOf(headers)
      if (excess !== undefined) return this.fail(failureText('function_failed', `Cannot answer for "${this.#name}": ${excess}`))
      this.#answered = true
      this.#send(`{"status":${status},"headers":${pairsText(headers)}}`, source)
    } catch (error) {
      this.fail(thrownText(error))
    }
  }

  fail(text: string): void {
    if (this.#answered || this.#cancelled !== undefined) return
    this.#answered = true
    end(this.id)
    say(OUT.value, this.id, text)
  }

  // The host's events: Active.

  cancel(reason: string): void {
    this.#cancelled = new Error(reason)
    this.#incoming?.fail(reason)
    this.#controller?.abort()
    this.#outgoing.stop(this.#cancelled)
    this.#link?.stop()
    this.#client?.lost()
  }

  onChunk(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#frames === undefined) return this.#incoming?.push(bytes)
    say(OUT.credit, this.id, bytes.length)
    try {
      this.#frames.push(bytes)
    } catch (error) {
      this.#link?.stop()
      this.#sent(thrownText(error))
    }
  }

  onEnd(): void {
    this.#incoming?.end()
    // After a word of farewell this is no news.
    this.#client?.lost()
  }

  onBroken(reason: string): void {
    this.#incoming?.fail(reason)
    this.#client?.lost()
  }

  onCredit(bytes: number): void {
    if (this.#link === undefined) this.#outgoing.credit(bytes)
    else this.#link.credit(bytes)
  }

  #signal(): AbortController['signal'] {
    this.#controller ??= new AbortController()
    if (this.#cancelled !== undefined) this.#controller.abort()
    return this.#controller.signal
  }

  #waitUntil(promise: unknown): void {
    this.#pledges++
    const done = () => {
      this.#pledges--
      this.#closeWhenDone()
    }
    void PromiseThen(resolved(promise), done, (error: unknown) => {
      uncaught('waitUntil', error)
      done()
    })
  }

  #upgrade(headers: [string, string][], socket: WebSocket): void {
    const state = this.#frames === undefined ? 'its client asks for no WebSocket' : excessOf(headers)
    if (state !== undefined) return this.fail(failureText('function_failed', `Cannot answer for "${this.#name}": ${state}`))
    const link = new SocketLink(
      (part) => say(OUT.chunk, this.id, part),
      () => this.#sent(undefined),
    )
    const couple = (loaded.sockets as NonNullable<typeof loaded.sockets>).couple(socket, link)
    this.#answered = true
    this.#sending = true
    say(OUT.response, this.id, `{"status":101,"headers":${pairsText(headers)}}`, OPEN, undefined)
    this.#link = link
    this.#client = couple()
  }

  #send(head: string, source: Source): void {
    if (isStream(source)) return this.#stream(head, source)
    if (source !== null && isLong(source)) return this.#stream(head, new Response(source).body as ReadableStream)
    const closed = this.#pledges === 0
    if (closed) end(this.id)
    say(OUT.response, this.id, head, closed ? CLOSED : 0, source === null || source.length === 0 ? undefined : source)
  }

  #stream(head: string, stream: ReadableStream): void {
    this.#sending = true
    say(OUT.response, this.id, head, OPEN, undefined)
    void this.#outgoing
      .pump(stream, (part) => say(OUT.chunk, this.id, part))
      .then(
        () => this.#sent(undefined),
        (error: unknown) => this.#sent(thrownText(error)),
      )
  }

  #sent(failure: string | undefined): void {
    if (this.#cancelled !== undefined) return
    if (failure === undefined) say(OUT.end, this.id)
    else say(OUT.broken, this.id, failure)
    this.#sending = false
    this.#closeWhenDone()
  }

  #closeWhenDone(): void {
    if (!this.#answered || this.#sending || this.#pledges > 0 || this.#cancelled !== undefined) return
    if (end(this.id)) say(OUT.closed, this.id)
  }
}

/** What is wrong with headers beyond what the host takes: of a response, or of a request that is fetched. */
export function excessOf(headers: [string, string][], what = 'response'): string | undefined {
  if (headers.length > HEADERS_MAX) return `its ${what} has ${headers.length} headers (at most ${HEADERS_MAX})`
  let characters = 0
  for (let index = 0; index < headers.length; index++) {
    const [name, value] = headers[index] as [string, string]
    if (name.length > HEADER_NAME_MAX) return `its ${what} has a header whose name is longer than ${HEADER_NAME_MAX} characters`
    characters += name.length + value.length
  }
  return characters > HEADER_CHARACTERS_MAX ? `the headers of its ${what} are longer than ${HEADER_CHARACTERS_MAX} characters` : undefined
}
