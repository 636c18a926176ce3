/** One request of a web function; or of a value function reached by a route. */
import { failureText } from './errors.ts'
import { OUT } from './codes.ts'
import { say } from './outbox.ts'
import type { ValueFunction } from './value-call.ts'
import type { WireSettings } from '../../../frames.ts'

export interface WebFunction {
  name: string
  self: unknown
  fetch: (...args: never[]) => unknown
  env: Record<string, string>
}

export function callRequest(
  web: WebFunction | undefined,
  value: ValueFunction | undefined,
  settings: WireSettings,
  id: number,
  head: string,
  body: string | Uint8Array | undefined,
): void {
  say(OUT.value, id, failureText('internal', 'not yet'))
  void [web, value, settings, head, body]
}
