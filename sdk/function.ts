/**
 * What a function imports: `import { call, env, log } from 'osiris/function'`. On the platform the engine stands behind these names;
 * everywhere else this file does, so that functions are type-checked, and unit-tested with `mock`.
 */
import { OsirisError } from '#protocols/errors'

export interface FunctionPlatform {
  /** What `osiris.yaml` says under `env`. */
  env: Record<string, string>
  call: (ref: string, ...args: unknown[]) => unknown
  log: (...parts: unknown[]) => void
}

export interface Mock {
  /** Every `call` so far, in order. */
  calls: { ref: string; args: unknown[] }[]
  /** Every `log` so far, in order. */
  logs: unknown[][]
  /** Back to what was before. */
  restore(): void
}

const outside: Pick<FunctionPlatform, 'call' | 'log'> = {
  call(ref) {
    throw new OsirisError('unavailable', `Cannot call "${ref}": this is not the platform; give mock({ call }) a stand-in`)
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

/** One line of the function's log; objects as JSON. */
export function log(...parts: unknown[]): void {
  behind.log(...parts)
}

/** For unit tests outside the platform: stands in for it until `restore()`. Mocks nest. */
export function mock(platform: Partial<FunctionPlatform> = {}): Mock {
  const before = { behind, env: { ...env } }
  const calls: Mock['calls'] = []
  const logs: Mock['logs'] = []
  replaceEnv({ ...platform.env })
  behind = {
    call(ref, ...args) {
      calls.push({ ref, args })
      return (platform.call ?? outside.call)(ref, ...args)
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
  return { calls, logs, restore }
}

function replaceEnv(values: Record<string, string>): void {
  for (const key of Object.keys(env)) delete env[key]
  Object.assign(env, values)
}
