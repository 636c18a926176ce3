/** A request on its way into a worker: head at once, body as the function takes it. */
import type { FetchPayload } from '#protocols/invocation'
import { RequestBody } from './body.ts'
import type { Call } from './call.ts'
import { DO, type WireRequest } from './frames.ts'
import { limitMet } from './limits/function-limits.ts'
import type { InstanceSlot } from './function-state.ts'

export function startRequest(call: Call, slot: InstanceSlot, payload: FetchPayload, msLeft: number): void {
  const { body } = payload
  const streams = body !== undefined && !(body instanceof Uint8Array)
  // `ms` stays first: the worker reads it without parsing the rest.
  const head: WireRequest = { ms: msLeft, method: payload.method, url: payload.url, headers: payload.headers, streams }
  if (payload.params !== undefined) head.params = payload.params
  slot.worker.request(call, slot, Buffer.from(JSON.stringify(head)), streams ? undefined : body)
  if (streams) void pump(call, slot, body)
}

async function pump(call: Call, slot: InstanceSlot, body: AsyncIterable<Uint8Array>): Promise<void> {
  const { fn } = call
  const { worker } = slot
  const into = new RequestBody()
  call.requestBody = into
  let bytes = 0
  try {
    await into.pump(body, (chunk) => {
      bytes += chunk.length
      if (call.isOver || bytes > fn.payloadBytesMax) return false
      worker.frame(DO.chunk, call.id, 0, 0, chunk)
      return true
    })
    if (call.isOver) return
    if (bytes <= fn.payloadBytesMax) return worker.frame(DO.end, call.id)
    worker.cancel(call)
    call.fail(
      limitMet('payload_too_large', 'payload', `Cannot call "${fn.title}": the request's body is longer than ${fn.payloadBytesMax} bytes`),
    )
  } catch (error) {
    if (!call.isOver) worker.frame(DO.broken, call.id, 0, 0, Buffer.from((error as Error).message.slice(0, 1024)))
  }
}
