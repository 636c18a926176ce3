/** A request on its way into a worker: head at once, body as the function takes it. */
import type { FetchPayload } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import { SOCKET, socketFrame } from '#protocols/socket'
import { RequestBody } from './body.ts'
import type { Call } from './call.ts'
import { DO, type WireRequest } from './frames.ts'
import { limitMet } from './limits/function-limits.ts'
import type { InstanceSlot } from './function-state.ts'
import { SocketWatch } from './socket-watch.ts'

const PROBE = socketFrame(SOCKET.probe, new Uint8Array())

export function startRequest(call: Call, slot: InstanceSlot, payload: FetchPayload, msLeft: number, clock: Clock): void {
  const { body } = payload
  const streams = body !== undefined && !(body instanceof Uint8Array)
  // `ms` stays first: the worker reads it without parsing the rest.
  const head: WireRequest = { ms: msLeft, method: payload.method, url: payload.url, headers: payload.headers, streams }
  if (payload.params !== undefined) head.params = payload.params
  if (payload.upgrade !== undefined) head.upgrade = true
  slot.worker.request(call, slot, Buffer.from(JSON.stringify(head)), streams ? undefined : body)
  if (!streams) return
  const into = new RequestBody()
  call.requestBody = into
  if (payload.upgrade !== undefined) call.socket = watchSocket(call, slot, into, clock)
  void pump(call, slot, into, body)
}

function watchSocket(call: Call, { worker }: InstanceSlot, into: RequestBody, clock: Clock): SocketWatch {
  const watch: SocketWatch = new SocketWatch({
    clock,
    timeoutMs: call.fn.timeoutMs,
    due(at) {
      // Until it has answered, the time it has for that counts.
      if (call.isAnswered) call.deadlineAt = at
    },
    probe() {
      if (!call.isAnswered || !into.take(PROBE.length)) return
      worker.frame(DO.chunk, call.id, 0, 0, PROBE)
      watch.given(PROBE.length)
    },
  })
  return watch
}

async function pump(call: Call, slot: InstanceSlot, into: RequestBody, body: AsyncIterable<Uint8Array>): Promise<void> {
  const { fn, socket } = call
  const { worker } = slot
  // Of a socket each message has a bound of its own, which whoever reads them watches over.
  const bytesMax = socket === undefined ? fn.payloadBytesMax : Number.POSITIVE_INFINITY
  let bytes = 0
  try {
    await into.pump(body, (chunk) => {
      bytes += chunk.length
      if (call.isOver || bytes > bytesMax) return false
      socket?.given(chunk.length)
      worker.frame(DO.chunk, call.id, 0, 0, chunk)
      return true
    })
    if (call.isOver) return
    if (bytes <= bytesMax) return worker.frame(DO.end, call.id)
    worker.cancel(call)
    call.fail(
      limitMet('payload_too_large', 'payload', `Cannot call "${fn.title}": the request's body is longer than ${fn.payloadBytesMax} bytes`),
    )
  } catch (error) {
    if (!call.isOver) worker.frame(DO.broken, call.id, 0, 0, Buffer.from((error as Error).message.slice(0, 1024)))
  }
}
