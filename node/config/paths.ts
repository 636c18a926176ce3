/** Where things live on this host (XDG Base Directory Specification 0.8: a relative value is ignored). */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

export type Env = Record<string, string | undefined>

export const dataHome = (env: Env): string => home(env, 'XDG_DATA_HOME', '.local', 'share')
export const stateHome = (env: Env): string => home(env, 'XDG_STATE_HOME', '.local', 'state')
export const configHome = (env: Env): string => home(env, 'XDG_CONFIG_HOME', '.config')

function home(env: Env, name: string, ...fallback: string[]): string {
  const value = env[name]
  return value !== undefined && isAbsolute(value) ? value : join(env['HOME'] ?? homedir(), ...fallback)
}
