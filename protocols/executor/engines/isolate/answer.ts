/** What an entry into an isolate gives back (runtime/value-call.ts): a result's text, or a failure's. */
import type { EngineReports } from '../engine.ts'

const PLUS = 43
const BANG = 33

/** A leading `+` says that mail waits, which is to be read first. */
export function hasMail(text: string): boolean {
  return text.charCodeAt(0) === PLUS
}

/** `!` and JSON is an error; no JSON value begins with it. */
export function tell(reports: EngineReports, callId: number, ranMs: number, cpuMs: number, text: string): void {
  if (text.charCodeAt(0) === BANG) reports.failed(callId, ranMs, cpuMs, text.slice(1), false)
  else reports.value(callId, ranMs, cpuMs, text)
}

/** The call on whose account an event was taken in. */
export function ownerOf(answer: unknown, callId: number): number {
  return typeof answer === 'number' ? answer : callId
}

/** How a head begins that answers with a WebSocket: the runtime writes it so, and the node takes it from no call that was not asked for one. */
export const SWITCHING = '{"status":101,'
