/** What the engine says, as frames; gathered until the end of the turn. */
import { type LimitName, LIMITS } from '#protocols/invocation'
import type { EngineReports } from '../engines/engine.ts'
import { CLOSED, type FrameWriter, OPEN, SAY } from '../frames.ts'
import { collectTexts, countText } from './collector.ts'

/** Gathered bytes are sent at the end of the turn, or when there are this many frames, so that the node works while this process does. */
const FRAMES_PER_WRITE = 16

export function reportsTo(writer: FrameWriter): { reports: EngineReports; flushSoon: () => void } {
  let scheduled = false
  let frames = 0
  const flush = () => {
    scheduled = false
    frames = 0
    writer.flush()
    collectTexts()
  }
  const flushSoon = () => {
    if (++frames >= FRAMES_PER_WRITE) {
      frames = 0
      writer.flush()
    }
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }
  const text = (kind: number, id: number, a: number, b: number, value: string) => {
    writer.text(kind, id, a, b, value)
    countText(value.length)
    flushSoon()
  }
  const bytes = (kind: number, id: number, a = 0, b = 0, value?: Uint8Array, more?: Uint8Array) => {
    writer.bytes(kind, id, a, b, value, more)
    flushSoon()
  }
  return {
    flushSoon,
    reports: {
      loaded: (instanceId, { isolate, compile, first, fromCache }) =>
        text(SAY.loaded, instanceId, fromCache ? 1 : 0, 0, JSON.stringify([isolate, compile, first].map(microseconds))),
      loadFailed: (instanceId, error) => text(SAY.loadFailed, instanceId, 0, 0, error),
      value: (callId, runMs, cpuMs, json) => text(SAY.value, callId, microseconds(runMs), microseconds(cpuMs), json),
      failed: (callId, runMs, cpuMs, error, spoiled) =>
        text(SAY.failed, callId, microseconds(runMs), Math.min(0x7fff_ffff, microseconds(cpuMs)) * 2 + (spoiled ? 1 : 0), error),
      spent: (callId, cpuMs) => bytes(SAY.spent, callId, microseconds(cpuMs)),
      response(callId, runMs, head, body, open, closed) {
        const headBytes = Buffer.from(head)
        const flags = (open ? OPEN : 0) + (closed ? CLOSED : 0)
        bytes(
          SAY.response,
          callId,
          microseconds(runMs),
          headBytes.length + flags,
          headBytes,
          typeof body === 'string' ? Buffer.from(body) : body,
        )
      },
      chunk: (callId, value) => bytes(SAY.chunk, callId, 0, 0, value),
      end: (callId) => bytes(SAY.end, callId),
      broken: (callId, error) => text(SAY.broken, callId, 0, 0, error),
      credit: (callId, count) => bytes(SAY.credit, callId, count),
      closed: (callId, cpuMs) => bytes(SAY.closed, callId, microseconds(cpuMs)),
      log: (instanceId, callId, level, line) => text(SAY.log, callId, instanceId, level, line),
      ask: (instanceId, askId, json, callId) => text(SAY.ask, askId, instanceId, callId, json),
      met: (instanceId, callId, limit) => bytes(SAY.limit, callId, instanceId, LIMITS.indexOf(limit as LimitName)),
      memory: (instanceId, count) => bytes(SAY.memory, instanceId, Math.ceil(count / 1024)),
      fetch(instanceId, fetchId, head, body) {
        const headBytes = Buffer.from(head)
        bytes(SAY.fetch, fetchId, instanceId, headBytes.length, headBytes, typeof body === 'string' ? Buffer.from(body) : body)
      },
      fetchChunk: (instanceId, fetchId, value) => bytes(SAY.fetchChunk, fetchId, instanceId, 0, value),
      fetchEnd: (instanceId, fetchId) => bytes(SAY.fetchEnd, fetchId, instanceId),
      fetchCancel: (instanceId, fetchId) => bytes(SAY.fetchCancel, fetchId, instanceId),
      fetchCredit: (instanceId, fetchId, count) => bytes(SAY.fetchCredit, fetchId, instanceId, count),
      heard: (callId) => bytes(SAY.heard, callId),
      codeCache: (instanceId, value) => bytes(SAY.codeCache, instanceId, 0, 0, value),
      unfit: (instanceId) => bytes(SAY.unfit, instanceId),
      retired: (instanceId) => bytes(SAY.retired, instanceId),
      gone: (instanceId, error) => text(SAY.gone, instanceId, 0, 0, error),
    },
  }
}

function microseconds(ms: number): number {
  return Math.min(0xffff_ffff, Math.round(ms * 1000))
}
