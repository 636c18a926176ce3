/** Puts the web-standard globals in place. */
// oxlint-disable import/no-unassigned-import -- these put URL and URLSearchParams on the global object
import 'core-js/web/url.js'
import 'core-js/web/url-search-params.js'
// oxlint-enable import/no-unassigned-import
import * as streams from 'web-streams-polyfill'
import { atob, btoa } from './base64.ts'
import { structuredClone } from './clone.ts'
import { installConsole } from './console.ts'
import { AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget } from './events.ts'
import { fetch } from './fetch.ts'
import { FormData } from './form-data.ts'
import { Headers } from './headers.ts'
import { max, now } from './primordials.ts'
import { Request } from './request.ts'
import { Response } from './response.ts'
import { TextDecoder, TextEncoder } from './text.ts'
import { installTimers } from './timers.ts'

export function installGlobals(global: Record<string, unknown>): void {
  installConsole(global)
  installTimers(global)
  const { ReadableStream, WritableStream, TransformStream, ByteLengthQueuingStrategy, CountQueuingStrategy } = streams
  const { ReadableStreamDefaultReader, ReadableStreamBYOBReader, WritableStreamDefaultWriter } = streams
  Object.assign(global, {
    ...{ AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget },
    ...{ FormData, Headers, Request, Response, TextDecoder, TextEncoder },
    ...{ ReadableStream, WritableStream, TransformStream, ByteLengthQueuingStrategy, CountQueuingStrategy },
    ...{ ReadableStreamDefaultReader, ReadableStreamBYOBReader, WritableStreamDefaultWriter },
    ...{ atob, btoa, fetch, structuredClone },
    performance: coarseClock(),
    navigator: Object.freeze({ userAgent: 'Osiris' }),
    self: globalThis,
  })
}

/** Whole milliseconds that only grow: too coarse to time a neighbour with. */
function coarseClock(): { now(): number; timeOrigin: number } {
  let origin = 0
  let last = 0
  return {
    get timeOrigin() {
      return (origin ||= now())
    },
    now() {
      last = max(last, now() - this.timeOrigin)
      return last
    },
  }
}
