/** What one function may use: what it asks for (`execution.*`), else the executor's default, and never more than the operator allows. Pure. */
import { type ErrorCode, OsirisError } from '#protocols/errors'
import type { LimitName } from '#protocols/invocation'
import type { FunctionSettings } from '#protocols/manifest'
import type { ExecutorLimits } from './limits.ts'

export interface FunctionLimits {
  timeoutMs: number
  cpuMs: number
  memoryMbMax: number
  payloadBytesMax: number
  resultBytesMax: number
  logBytesMax: number
  requestsMax: number
  timersMax: number
  concurrencyMax: number
  /** Where the operator's maximum holds instead of what the function asks for: errors say so. */
  clamped: ReadonlySet<LimitName>
}

type Maxima = Pick<
  ExecutorLimits,
  | 'timeoutMsMax'
  | 'cpuMsMax'
  | 'instanceMemoryMbMax'
  | 'payloadBytesMax'
  | 'resultBytesMax'
  | 'logBytesMax'
  | 'requestsMax'
  | 'timersMax'
  | 'concurrencyMax'
>

/** Of functions that do not say: about 60 full lines, what an ordinary page or job asks of others, and far more timers than code that means well has. */
const LOG_BYTES = 256 * 1024
const REQUESTS = 50
const TIMERS = 1000

export function limitsOf(execution: FunctionSettings['execution'], maxima: Maxima): FunctionLimits {
  const clamped = new Set<LimitName>()
  const least = (limit: LimitName, asked: number, max: number) => {
    if (asked > max) clamped.add(limit)
    return Math.min(asked, max)
  }
  return {
    timeoutMs: least('timeout', execution.timeoutMs, maxima.timeoutMsMax),
    cpuMs: least('cpu', execution.cpuMs, maxima.cpuMsMax),
    memoryMbMax: least('memory', execution.memoryMbMax, maxima.instanceMemoryMbMax),
    payloadBytesMax: least('payload', execution.payloadBytesMax, maxima.payloadBytesMax),
    resultBytesMax: least('result', execution.resultBytesMax ?? execution.payloadBytesMax, maxima.resultBytesMax),
    logBytesMax: least('logs', execution.logBytesMax ?? LOG_BYTES, maxima.logBytesMax),
    requestsMax: least('requests', execution.requestsMax ?? REQUESTS, maxima.requestsMax),
    timersMax: least('timers', execution.timersMax ?? TIMERS, maxima.timersMax),
    concurrencyMax: least('concurrency', execution.concurrencyMax, maxima.concurrencyMax),
    clamped,
  }
}

/** The error of a call that met a limit: callers find its name in `details.limit`, and a figure counts it. */
export function limitMet(code: ErrorCode, limit: LimitName, sentence: string): OsirisError {
  return new OsirisError(code, sentence, { details: { limit } })
}

/** What an error adds where the function asked for more. */
export function clampedNote({ clamped }: Pick<FunctionLimits, 'clamped'>, limit: LimitName): string {
  return clamped.has(limit) ? '; it asks for more than this node allows' : ''
}
