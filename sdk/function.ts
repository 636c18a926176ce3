/**
 * What a function imports: `import { call, caller, env, log, publish } from 'osiris/function'`. On the platform the engine stands behind these names;
 * everywhere else this file does, so that functions are type-checked, and unit-tested with `mock`.
 */
import { OsirisError } from '#protocols/errors'

export interface FunctionPlatform {
  /** What `osiris.yaml` says under `env`. */
  env: Record<string, string>
  call: (ref: string, ...args: unknown[]) => unknown
  /** May give what `publish()` resolves to; else that is made up. */
  publish: (topic: string, data: unknown, options: PublishOptions) => unknown
  log: (...parts: unknown[]) => void
  /** What `caller()` says. Default: a call from outside. */
  caller: FunctionCaller
}

export interface PublishOptions {
  /** The same id again, within an hour, is the same message. */
  id?: string
  /** Messages with one key go to the same function of a group. */
  key?: string
}

/** A message that is on the disks of several nodes. */
export interface Published {
  id: string
}

/** The function that called this one. */
export interface FunctionCaller {
  /** `namespace/name`, as the platform knows it. */
  name: string
  /** All functions above, the outermost first; the last is `name`. */
  path: readonly string[]
}

/** What `scheduled(event, env, ctx)` gets, or a value function with a `schedule` as its one argument. */
export interface ScheduledEvent {
  type: 'scheduled'
  /** The same for a tick, whoever fires it. */
  id: string
  cron: string
  timezone: string
  /** When it was due, in milliseconds since the epoch. */
  scheduledTime: number
  /** Milliseconds between that and the call. */
  lateMs: number
}

/** What `message(event, env, ctx)` gets, or a value function with `subscribe` as its one argument. */
export interface TopicMessage<T = unknown> {
  /** The same for a message, however often it is delivered. */
  id: string
  /** Whose topic it is. */
  namespace: string
  topic: string
  /** Where the function subscribed as one of a group. */
  group?: string
  key?: string
  /** 1 for the first delivery. */
  attempt: number
  /** Milliseconds since the epoch. */
  publishedAt: number
  publishedBy: string
  data: T
}

/** The third argument of `scheduled` and `message`: the call is over when all that was given to `waitUntil` has settled. */
export interface EventContext {
  waitUntil(promise: Promise<unknown>): void
}

export interface Mock {
  /** Every `call` so far, in order. */
  calls: { ref: string; args: unknown[] }[]
  /** Every `publish` so far, in order. */
  published: { topic: string; data: unknown; options: PublishOptions }[]
  /** Every `log` so far, in order. */
  logs: unknown[][]
  /** Back to what was before. */
  restore(): void
}

interface Behind {
  call: FunctionPlatform['call']
  publish: FunctionPlatform['publish']
  log: FunctionPlatform['log']
  caller?: FunctionCaller | undefined
}

const outside: Behind = {
  call(ref) {
    throw new OsirisError('unavailable', `Cannot call "${ref}": this is not the platform; give mock({ call }) a stand-in`)
  },
  publish(topic) {
    throw new OsirisError('unavailable', `Cannot publish to "${topic}": this is not the platform; use mock()`)
  },
  log() {},
}

let behind = outside

/** Settings and secrets of this function. */
export const env: Record<string, string> = {}

/** Calls another function (`namespace/name[@selector]`); allowed are those that `calls` names. Rejects with an error that carries a `code`. */
export async function call<T = unknown>(ref: string, ...args: unknown[]): Promise<T> {
  return (await behind.call(ref, ...args)) as T
}

/**
 * Publishes to a topic of this function's namespace (`orders.created`); resolves when the message is safe on several nodes, before anybody got it.
 * Counts as one of the call's requests. Rejects with an error that carries a `code`.
 */
export async function publish(topic: string, data?: unknown, options: PublishOptions = {}): Promise<Published> {
  return (await behind.publish(topic, data, options)) as Published
}

/**
 * Which function called this one; `undefined` for a call from outside. To be asked before the first `await`: afterwards, where one instance serves several
 * calls at once, nobody can tell whose turn it is.
 */
export function caller(): FunctionCaller | undefined {
  return behind.caller
}

/** One line of the function's log; objects as JSON. */
export function log(...parts: unknown[]): void {
  behind.log(...parts)
}

/** For unit tests outside the platform: stands in for it until `restore()`. Mocks nest. */
export function mock(platform: Partial<FunctionPlatform> = {}): Mock {
  const before = { behind, env: { ...env } }
  const calls: Mock['calls'] = []
  const published: Mock['published'] = []
  const logs: Mock['logs'] = []
  replaceEnv({ ...platform.env })
  behind = {
    caller: platform.caller,
    call(ref, ...args) {
      calls.push({ ref, args })
      return (platform.call ?? outside.call)(ref, ...args)
    },
    async publish(topic, data, options) {
      published.push({ topic, data, options })
      return (await platform.publish?.(topic, data, options)) ?? { id: options.id ?? `message-${published.length}` }
    },
    log(...parts) {
      logs.push(parts)
      platform.log?.(...parts)
    },
  }
  const restore = (): void => {
    behind = before.behind
    replaceEnv(before.env)
  }
  return { calls, published, logs, restore }
}

function replaceEnv(values: Record<string, string>): void {
  for (const key of Object.keys(env)) delete env[key]
  Object.assign(env, values)
}
