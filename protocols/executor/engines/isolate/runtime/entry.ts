/** The isolate's few ways in. The engine takes them once per context; user code never sees them. */
import { parse, stringify } from './primordials.ts'
import { failureText, reduce } from './errors.ts'
import { EVENT, OUT } from './codes.ts'
import { say, takeMail } from './outbox.ts'
import { callValue, type ValueFunction } from './value-call.ts'
import { nextWake, tick } from './timers.ts'
import { activeCall, end, enter } from './state.ts'
import { limits } from './limits.ts'
import { write } from './console.ts'
import { webPiece } from './pieces.ts'
import type { Method, WebFunction } from './web-call.ts'
import { answerAsk, ask, publish } from './ask.ts'
import { calledBy, caller, forgetCaller } from './caller.ts'
import { answerOperation } from './subtle/queue.ts'
import { urls } from './urls.ts'
import type { EventHandler } from '#protocols/invocation'
import type { WireSettings } from '../../../frames.ts'

const { assign, freeze } = Object

export interface Entry {
  /** What `osiris/function` exports; `env` is filled by `configure`. */
  exports: { env: Record<string, string>; log: unknown; call: unknown; caller: unknown; publish: unknown }
  /** Before the module loads: its settings. */
  configure(settings: string): void
  /** After the module loaded: its namespace. */
  bind(namespace: unknown): void
  /** Instead of a module: a function that makes its namespace of what `names` (JSON) says of `exports`. */
  start(make: (...given: unknown[]) => unknown, names: string): void
  /** `from`: JSON of the functions above it, where a function calls. */
  call(id: number, args: string, from?: string): string | undefined
  /** An event, for the method of that name; answers as `call` does. */
  handle(id: number, handler: string, event: string): string | undefined
  request(id: number, head: string, body: string | Uint8Array<ArrayBuffer> | undefined): void
  /** The call on whose account it ran; 0 for nobody's. */
  event(kind: number, id: number, value: unknown): number
  drain(): unknown[] | undefined
  /** The last text `call` returned, in case the host lost it to somebody else's error. */
  last(): string | undefined
}

export function createEntry(): Entry {
  let settings: WireSettings = { name: '', env: {}, resultBytesMax: 0, parameters: [], loadMs: 0, cpuMs: 0, logBytesMax: 0, timersMax: 0 }
  let value: ValueFunction | undefined
  let web: WebFunction | undefined
  let lost: string | undefined
  const env: Record<string, string> = {}
  const exports = {
    env,
    log: (...parts: unknown[]) => write(1, parts),
    call: (ref: unknown, ...args: unknown[]) => ask(ref, args),
    caller,
    publish: (topic: unknown, data: unknown, options: unknown) => publish(topic, data, options),
  }
  const bind = (namespace: unknown) => {
    const answer = bindDefault(namespace, settings, env)
    if (typeof answer === 'string') return say(OUT.loaded, 0, answer)
    value = answer.value
    web = answer.web
    say(OUT.loaded, 0, undefined)
  }
  return {
    exports,
    bind,
    start: (make, names) => bind(make(...(parse(names) as (keyof typeof exports)[]).map((name) => exports[name]))),
    configure(text) {
      settings = parse(text) as WireSettings
      limits.logBytesMax = settings.logBytesMax
      limits.timersMax = settings.timersMax
      assign(env, settings.env)
      freeze(env)
    },
    call(id, args, from) {
      lost = undefined
      if (value === undefined)
        return failureText(
          'invalid_argument',
          `Cannot call "${settings.name}": it is a web function, reached by ${web?.methods.fetch === undefined ? 'events only' : 'its routes or /v1/fetch'}`,
        )
      if (from !== undefined) calledBy(id, from)
      lost = callValue(value, id, args)
      // Refused before it began.
      if (from !== undefined && lost !== undefined) forgetCaller(id)
      return lost
    },
    handle(id, handler, event) {
      lost = webPiece().callEvent(web, value, settings.name, id, handler, event)
      return lost
    },
    request(id, head, body) {
      webPiece().callRequest(web, value, settings, id, head, body)
    },
    event(kind, id, given) {
      if (kind === EVENT.tick) return tick()
      if (kind === EVENT.furnish) return furnish()
      if (kind >= EVENT.fetchHead) return webPiece().fetchEvent(kind, id, given)
      if (kind === EVENT.answer || kind === EVENT.failure) return answerAsk(id, given as string, kind === EVENT.failure)
      if (kind === EVENT.crypto || kind === EVENT.cryptoFailed) return answerOperation(id, given, kind === EVENT.cryptoFailed)
      const call = activeCall(id)
      if (call === undefined) return id
      enter(id)
      if (kind === EVENT.chunk) call.onChunk?.(given as Uint8Array<ArrayBuffer>)
      else if (kind === EVENT.end) call.onEnd?.()
      else if (kind === EVENT.broken) call.onBroken?.(given as string)
      else if (kind === EVENT.credit) call.onCredit?.(given as number)
      else {
        end(id)
        call.cancel?.(given as string)
      }
      return id
    },
    drain() {
      const wake = nextWake()
      if (wake !== undefined) say(OUT.wake, 0, wake)
      const mail = takeMail()
      return mail.length === 0 ? undefined : mail
    },
    last: () => lost,
  }
}

function furnish(): number {
  webPiece()
  urls()
  return 0
}

/** Prefers `fetch` over guessing by `typeof`: a default export may be a Proxy that has every property. Never awaited, for the same reason. */
function bindDefault(
  namespace: unknown,
  settings: WireSettings,
  env: Record<string, string>,
): string | { value?: ValueFunction; web?: WebFunction } {
  try {
    const exported = (namespace as { default?: unknown }).default
    if (exported === undefined || exported === null) return noDefault(settings.name, 'the module has no default export')
    const kind = typeof exported
    if (kind !== 'object' && kind !== 'function') return noDefault(settings.name, `the default export is a ${kind}`)
    const methods = methodsOf(exported)
    const isWeb = methods.fetch !== undefined || (kind !== 'function' && (methods.scheduled ?? methods.message) !== undefined)
    if (isWeb) return { web: { name: settings.name, self: exported, methods, env } }
    if (kind !== 'function') return noDefault(settings.name, 'the default export has no fetch method')
    return { value: { name: settings.name, run: exported as ValueFunction['run'], resultMax: settings.resultBytesMax } }
  } catch (error) {
    return `!${stringify(reduce(error))}`
  }
}

/** Those for events only where they are there by name: a Proxy that makes a method of any name up has none of them. */
function methodsOf(exported: object): WebFunction['methods'] {
  const { fetch } = exported as { fetch?: unknown }
  const named = (name: EventHandler) => asMethod(name in exported ? (exported as Record<string, unknown>)[name] : undefined)
  return { fetch: asMethod(fetch), scheduled: named('scheduled'), message: named('message') }
}

function asMethod(value: unknown): Method | undefined {
  return typeof value === 'function' ? (value as Method) : undefined
}

function noDefault(name: string, state: string): string {
  return failureText(
    'function_failed',
    `Cannot load "${name}": ${state}; export a function, or an object with a fetch, scheduled or message method`,
  )
}
