/** What rooms tell about themselves. Logs, metrics and audit listen; nothing on the call path waits for them. */
import type { Canary } from './canary.ts'
import type { LimitName, OutcomeMeta } from './invocation.ts'
import type { ErrorCode } from './errors.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface EventMap {
  /** A call ended on this node as executor; what it cost is in `meta`. */
  'call.finished': {
    id: string
    namespace: string
    name: string
    meta: OutcomeMeta
    code: ErrorCode | null
    wallMs: number
    /** Of a web function's answer. */
    status?: number
    /** The functions above it, where a function called it. */
    path?: readonly string[]
  }
  /** A call met one of its limits, or one of the node's; at most once per call and limit. `limit` is the name in the executor's list. */
  'limit.hit': { namespace: string; name: string; limit: LimitName }
  /** One line a function wrote with console or log. */
  'function.log': { id: string; namespace: string; name: string; version: string; level: LogLevel; text: string; atMs: number }
  /** Lines of functions that were not written to the node's log, because their namespace writes too many; at most once a second. */
  'log.dropped': { namespace: string; lines: number }
  /** One request of a function left, or was refused: one event for each hop. `status`: null without a response; bytes as they are on the wire. */
  'function.egress': {
    id: string
    namespace: string
    name: string
    version: string
    /** With its port where it is not the scheme's own. */
    host: string
    /** Empty when nothing was connected. */
    address: string
    port: number
    status: number | null
    /** What ended it early. */
    code: ErrorCode | null
    bytesIn: number
    bytesOut: number
    ms: number
  }
  /** The view of the catalog changed for this function; absent name: anything may have changed. */
  'catalog.changed': { namespace?: string; name?: string }
  /** A tick of a schedule that this router fired is over; `code` null: the function ended well. Times on the wall clock. */
  'schedule.ended': { namespace: string; name: string; tickAt: number; atMs: number; code: ErrorCode | null; message: string }
  /** A canary came to another share, or to its end; told by the node that moved it. `weight`: percent of the alias's calls now. */
  'canary.moved': {
    namespace: string
    name: string
    version: string
    alias: string
    weight: number
    state: Canary['state']
    /** Why it ended; empty while it runs. */
    why: string
  }
  'member.joined': { peer: string; name: string }
  'member.left': { peer: string; name: string; reason: 'expired' | 'left' | 'dead' }
  'worker.started': { namespace: string; pid: number }
  'worker.ended': { namespace: string; pid: number; reason: string }
  /** What a person running the node should read. */
  log: { level: LogLevel; room: string; text: string; data?: Record<string, unknown> }
}

export interface Events {
  emit<K extends keyof EventMap>(name: K, value: EventMap[K]): void
  /** Whether anybody listens: lets the call path skip building the value. */
  has(name: keyof EventMap): boolean
  /** Returns the way to stop listening. */
  on<K extends keyof EventMap>(name: K, listener: (value: EventMap[K]) => void): () => void
}

/** A listener that throws is a bug in the listener: the others still hear, and the emitter goes on. */
export function createEvents(onListenerError: (error: unknown) => void = () => {}): Events {
  const listeners = new Map<keyof EventMap, ((value: never) => void)[]>()
  return {
    emit(name, value) {
      const all = listeners.get(name)
      if (all === undefined) return
      for (const listener of all) {
        try {
          listener(value as never)
        } catch (error) {
          onListenerError(error)
        }
      }
    },
    has: (name) => listeners.has(name),
    on(name, listener) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener])
      return () => {
        const rest = (listeners.get(name) ?? []).filter((each) => each !== listener)
        if (rest.length === 0) listeners.delete(name)
        else listeners.set(name, rest)
      }
    },
  }
}
