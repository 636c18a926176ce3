/** Puts the web-standard globals in place. */
import { installConsole } from './console.ts'
import { installGlobalEvents } from './global-events.ts'
import { defineGlobals, defineLazyGlobals } from './lazy.ts'
import { eventsPiece, exceptionPiece, webPiece } from './pieces.ts'
import { streams } from './streams.ts'
import { TextDecoder, TextEncoder } from './text.ts'
import { installTimers } from './timers.ts'
import { urls } from './urls.ts'
import type * as base64 from './base64.ts'
import type * as clone from './clone.ts'
import type * as compression from './compression.ts'
import type * as performance from './performance.ts'
import type * as textStreams from './text-streams.ts'

/** The pieces that few functions touch, by the globals that load them. */
const LATE: [load: () => object, names: string[]][] = [
  [webPiece, ['AbortController', 'AbortSignal', 'Headers', 'Request', 'Response', 'fetch']],
  [eventsPiece, ['CustomEvent', 'Event', 'EventTarget']],
  [exceptionPiece, ['DOMException']],
  [() => require('./base64.ts') as typeof base64, ['atob', 'btoa']],
  [urls, ['URL', 'URLSearchParams']],
  [streams, ['ReadableStream', 'ReadableStreamDefaultController', 'ReadableStreamDefaultReader', 'ReadableByteStreamController']],
  [streams, ['ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest', 'ByteLengthQueuingStrategy', 'CountQueuingStrategy']],
  [streams, ['WritableStream', 'WritableStreamDefaultController', 'WritableStreamDefaultWriter']],
  [streams, ['TransformStream', 'TransformStreamDefaultController']],
  [() => require('./blob.ts') as object, ['Blob', 'File']],
  [() => require('./form-data.ts') as object, ['FormData']],
  [() => require('./text-streams.ts') as typeof textStreams, ['TextEncoderStream', 'TextDecoderStream']],
  [() => require('./compression.ts') as typeof compression, ['CompressionStream', 'DecompressionStream']],
  [() => require('./clone.ts') as typeof clone, ['structuredClone']],
  [() => require('./late-events.ts') as object, ['CloseEvent', 'ErrorEvent', 'MessageEvent', 'PromiseRejectionEvent']],
  [() => require('./performance.ts') as typeof performance, ['performance', 'Performance']],
  [() => require('./messaging.ts') as object, ['MessageChannel', 'MessagePort']],
  [() => require('./web-socket.ts') as object, ['WebSocket', 'WebSocketPair']],
  [() => require('urlpattern-polyfill/urlpattern') as object, ['URLPattern']],
]

export function installGlobals(global: Record<string, unknown>): void {
  installConsole(global)
  installTimers(global)
  installGlobalEvents(global)
  defineGlobals(global, { TextDecoder, TextEncoder })
  defineGlobals(global, { navigator: Object.freeze({ userAgent: 'Osiris' }), self: globalThis })
  for (const [load, names] of LATE) defineLazyGlobals(global, load, names)
}
