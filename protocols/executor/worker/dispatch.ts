/** Frames from the node to the engine. */
import { SHARED_MEMORY_MB } from '../bounds.ts'
import type { Engine } from '../engines/engine.ts'
import { EVENT } from '../engines/isolate/runtime/codes.ts'
import { DO, type FrameHandler } from '../frames.ts'

export function dispatch(engine: Engine, pong: () => void): FrameHandler {
  /** What came for the load that is next. */
  let cached: Uint8Array | undefined
  /** What came for the call that is next. */
  let from: string | undefined
  return (kind, id, a, b, buffer, start, end) => {
    switch (kind) {
      case DO.call:
        if (from === undefined) return engine.call(a, id, b, buffer.toString('utf8', start, end))
        engine.call(a, id, b, buffer.toString('utf8', start, end), from)
        from = undefined
        return
      case DO.from:
        from = buffer.toString('utf8', start, end)
        return
      case DO.scheduled:
        return engine.handle(a, id, b, 'scheduled', buffer.toString('utf8', start, end))
      case DO.message:
        return engine.handle(a, id, b, 'message', buffer.toString('utf8', start, end))
      case DO.fetch: {
        const head = buffer.toString('utf8', start, start + b)
        const body = start + b === end ? undefined : buffer.subarray(start + b, end)
        return engine.request(a, id, millisecondsIn(head), head, body)
      }
      case DO.codeCache:
        cached = new Uint8Array(buffer.subarray(start, end))
        return
      case DO.load:
      case DO.share: {
        const settings = buffer.toString('utf8', start, start + b)
        const code = { instanceId: id, settings, artifact: buffer.toString('utf8', start + b, end) }
        const given = cached === undefined ? {} : { cached }
        cached = undefined
        return engine.load(
          kind === DO.load ? { ...code, ...given, memoryMbMax: a } : { ...code, memoryMbMax: SHARED_MEMORY_MB, insteadOf: a },
        )
      }
      case DO.chunk:
        return engine.chunk(id, buffer.subarray(start, end))
      case DO.end:
        return engine.end(id)
      case DO.broken:
        return engine.broken(id, buffer.toString('utf8', start, end))
      case DO.credit:
        return engine.credit(id, a)
      case DO.cancel:
        return engine.cancel(id)
      case DO.retire:
        return engine.retire(id)
      case DO.ping:
        return pong()
      case DO.answer:
        return engine.answer(a, id, buffer.toString('utf8', start, end), b === 1)
      case DO.fetchHead:
        return engine.fetched(a, id, EVENT.fetchHead, buffer.toString('utf8', start, end))
      case DO.fetchChunk:
        return engine.fetched(a, id, EVENT.fetchChunk, buffer.subarray(start, end))
      case DO.fetchEnd:
        return engine.fetched(a, id, EVENT.fetchEnd, undefined)
      case DO.fetchBroken:
        return engine.fetched(a, id, EVENT.fetchBroken, buffer.toString('utf8', start, end))
      case DO.fetchCredit:
        return engine.fetched(a, id, EVENT.fetchCredit, b)
    }
  }
}

/** The head's first field, so that the rest is parsed only inside. */
function millisecondsIn(head: string): number {
  return Math.max(1, Number.parseInt(head.slice('{"ms":'.length), 10))
}
