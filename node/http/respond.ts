/** An outcome as HTTP: the last step of every call. */
import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import { type ByteStream, type Outcome, type OutcomeMeta, type ResponseOutcome, serverTiming } from '#protocols/invocation'
import { rateLimitFields } from '#protocols/rate-limit'
import { declaredLength, responseHeaders } from './headers.ts'
import { problemOf } from './problem.ts'

/** Up to here a result leaves as one string together with its head: one write instead of two. */
const INLINE_BYTES_MAX = 16 * 1024
/** The system copies this much in 0.2 ms. More at once would hold up everybody else's calls. */
const TURN_BYTES_MAX = 256 * 1024

/** Writes the answer. The promise of a streamed one ends with its last byte; it rejects only for what the caller should log, never because the client left. */
export function respond(response: ServerResponse, outcome: Outcome): Promise<void> | undefined {
  if (response.destroyed) {
    if (outcome.kind === 'response') cancelBody(outcome.body)
    return undefined
  }
  if (outcome.kind === 'value') return respondValue(response, outcome.value, outcome.meta)
  if (outcome.kind === 'failed') return respondError(response, outcome.error, outcome.meta)
  return respondResponse(response, outcome)
}

/** Writes an error as a problem document; with what is known of the function that ran, where one did. `as`: another status than that of its code. */
export function respondError(response: ServerResponse, thrown: unknown, meta?: OutcomeMeta, as?: number): undefined {
  if (response.headersSent) {
    // Too late for a status: a cut connection is the only honest end.
    response.destroy()
    return
  }
  const allow = optionsOf(response, thrown)
  if (allow !== undefined) {
    response.writeHead(204, ['allow', allow])
    response.end()
    return
  }
  const { status, headers, body } = problemOf(thrown, as)
  if (meta !== undefined) pushMeta(headers, meta)
  response.writeHead(status, headers)
  response.end(body)
}

/** What OPTIONS asks for (RFC 9110 section 9.3.7), where no route takes the method itself. */
function optionsOf(response: ServerResponse, thrown: unknown): string | undefined {
  if (response.req.method !== 'OPTIONS' || !(thrown instanceof OsirisError) || thrown.code !== 'method_not_allowed') return undefined
  const allow = thrown.details?.['allow']
  return Array.isArray(allow) && allow.includes('OPTIONS') ? allow.join(', ') : undefined
}

function respondValue(response: ServerResponse, value: Uint8Array, meta: OutcomeMeta): Promise<void> | undefined {
  const headers = ['content-type', 'application/json', 'content-length', String(value.length)]
  pushMeta(headers, meta)
  response.writeHead(200, headers)
  if (value.length > INLINE_BYTES_MAX) return end(response, value)
  response.end(bytesOf(value).toString('latin1'), 'latin1')
  return undefined
}

function end(response: ServerResponse, bytes: Uint8Array): Promise<void> | undefined {
  if (bytes.length > TURN_BYTES_MAX) return endInTurns(response, bytes)
  response.end(bytes)
  return undefined
}

/** A client that leaves is nobody's fault. */
async function endInTurns(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += TURN_BYTES_MAX) {
    if (at > 0) await nextTurn()
    if (response.destroyed) return
    if (!response.write(bytes.subarray(at, at + TURN_BYTES_MAX))) await drained(response)
  }
  response.end()
}

function respondResponse(response: ServerResponse, outcome: ResponseOutcome): Promise<void> | undefined {
  const { body, status } = outcome
  const hasBody = response.req.method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304
  const declared = declaredLength(outcome.headers)
  const length = !hasBody ? declared : body === undefined ? 0 : body instanceof Uint8Array ? body.length : declared
  try {
    writeResponseHead(response, outcome, status === 204 ? undefined : length)
  } catch (error) {
    cancelBody(body)
    const cause = `Cannot answer: the function returned a status or header that HTTP cannot carry (${(error as Error).message})`
    return respondError(response, new OsirisError('function_failed', cause, { cause: error }), outcome.meta)
  }
  if (!hasBody || body === undefined) {
    cancelBody(body)
    response.end()
    return undefined
  }
  if (body instanceof Uint8Array) return end(response, body)
  return pump(response, body, length)
}

function writeResponseHead(response: ServerResponse, outcome: ResponseOutcome, length: number | undefined): void {
  const { status } = outcome
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`status ${status}`)
  const headers = responseHeaders(outcome.headers)
  if (length !== undefined) headers.push('content-length', String(length))
  pushMeta(headers, outcome.meta)
  response.writeHead(status, headers)
}

/** Body → client at the client's pace. A client that leaves cancels the producer; a producer that fails or breaks its declared length cuts the connection. */
async function pump(response: ServerResponse, body: ByteStream, length: number | undefined): Promise<void> {
  const chunks = body[Symbol.asyncIterator]()
  const onClose = (): void => void cancel(chunks)
  response.once('close', onClose)
  response.flushHeaders()
  let sent = 0
  try {
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      if (response.destroyed) return
      sent += next.value.length
      if (length !== undefined && sent > length) throw brokenLength(length)
      if (next.value.length > 0 && !response.write(next.value)) await drained(response)
    }
    if (length !== undefined && sent < length) throw brokenLength(length)
    response.end()
  } catch (error) {
    if (response.destroyed) return
    response.destroy()
    throw error
  } finally {
    response.off('close', onClose)
    if (response.destroyed) await cancel(chunks)
  }
}

function brokenLength(length: number): OsirisError {
  return new OsirisError('function_failed', `Cannot finish the answer: its body does not have the declared ${length} bytes`)
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

export function cancelBody(body: ResponseOutcome['body']): void {
  if (body !== undefined && !(body instanceof Uint8Array)) void cancel(body[Symbol.asyncIterator]())
}

/** The producer hears that nobody reads on; its complaints about that have no reader either. */
async function cancel(chunks: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await chunks.return?.()
  } catch {
    // nothing to tell anybody
  }
}

function bytesOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

export function pushMeta(headers: string[], meta: OutcomeMeta): void {
  if (meta.version !== '') headers.push('osiris-version', meta.version)
  if (meta.node !== '') headers.push('osiris-node', meta.node)
  headers.push('osiris-hops', String(meta.hops), 'server-timing', serverTiming(meta))
  if (meta.rateLimit !== undefined && !headers.includes('ratelimit')) headers.push(...rateLimitFields(meta.rateLimit))
}
