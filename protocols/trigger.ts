/**
 * Calls behind which there is nobody's token: ticks, messages, events of the platform. A router starts them, and its word is believed for functions that
 * asked for such calls in their own settings, and for nothing else: neither arguments nor requests, nor functions that asked for nothing.
 */
import type { EventPayload, Invocation, Trigger } from './invocation.ts'
import type { FunctionSettings } from './manifest.ts'

export interface TriggeredInvocation extends Invocation {
  payload: EventPayload
  trigger: Trigger
}

export function isTriggered(invocation: Invocation): invocation is TriggeredInvocation {
  return invocation.trigger !== undefined && invocation.payload.kind === 'event'
}

/** Whether the function asked for calls such as this one. Those of kind `call` carry their caller's token, and are judged by that. */
export function asksFor(settings: Pick<FunctionSettings, 'schedule' | 'subscribe'>, { trigger, payload }: TriggeredInvocation): boolean {
  if (trigger.kind === 'schedule') return payload.handler === 'scheduled' && settings.schedule !== null
  return trigger.kind !== 'call' && payload.handler === 'message' && settings.subscribe.length > 0
}
