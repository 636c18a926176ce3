/** Web requests and responses ↔ payloads and outcomes. */
import { type ByteStream, type Outcome, type ResponseOutcome, serverTiming, type ValueOutcome } from '#protocols/invocation'

/** Statuses that forbid a body (https://fetch.spec.whatwg.org/#null-body-status). */
const BODILESS = new Set([204, 205, 304])

/** The body at the consumer's pace; leaving early cancels it. */
export async function* streamOfRequest(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      ended = done
      if (done) return
      yield value
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {})
  }
}

/** What the function answered, with the headers a node would add. Throws the platform's error. */
export function responseOf(outcome: Outcome): Response {
  if (outcome.kind === 'failed') throw outcome.error
  const headers = new Headers()
  if (outcome.kind === 'value') headers.set('content-type', 'application/json')
  else for (const [name, value] of outcome.headers) if (!name.toLowerCase().startsWith('osiris-')) headers.append(name, value)
  const { version, node, hops } = outcome.meta
  headers.set('osiris-version', version)
  headers.set('osiris-node', node)
  headers.set('osiris-hops', String(hops))
  headers.set('server-timing', serverTiming(outcome.meta))
  const status = outcome.kind === 'value' ? 200 : outcome.status
  return new Response(BODILESS.has(status) ? null : bodyOf(outcome), { status, headers })
}

function bodyOf(outcome: ValueOutcome | ResponseOutcome): BodyInit | null {
  const body = outcome.kind === 'value' ? outcome.value : outcome.body
  if (body === undefined) return null
  return body instanceof Uint8Array ? new Uint8Array(body) : readable(body)
}

/** Pulled one chunk at a time, so that a slow reader slows the function. */
function readable(body: ByteStream): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = body[Symbol.asyncIterator]()
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await chunks.next()
        if (next.done === true) controller.close()
        else controller.enqueue(new Uint8Array(next.value))
      },
      async cancel() {
        await chunks.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
