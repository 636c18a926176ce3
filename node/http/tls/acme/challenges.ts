/** What an authority may ask this node for while it proves that a name leads here (RFC 8555 section 8.3, http-01). */
import type { IncomingMessage, ServerResponse } from 'node:http'

const PATH = '/.well-known/acme-challenge/'
/** One per name that is asked for; names come one after the other. */
const OPEN_MAX = 64

export class Challenges {
  readonly #open = new Map<string, string>()

  put(token: string, answer: string): void {
    if (this.#open.size >= OPEN_MAX) this.#open.delete(this.#open.keys().next().value as string)
    this.#open.set(token, answer)
  }

  drop(token: string): void {
    this.#open.delete(token)
  }

  /** Whether it was one of them, and so is answered; every other path is a function's. */
  respond(request: IncomingMessage, response: ServerResponse, url: string): boolean {
    if (this.#open.size === 0 || !url.startsWith(PATH)) return false
    const answer = this.#open.get(url.slice(PATH.length))
    if (answer === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return false
    response.writeHead(200, ['content-type', 'application/octet-stream', 'content-length', String(answer.length)])
    response.end(answer)
    return true
  }
}
