/** Errors that isolated-vm itself made or copied out: their texts are plain strings by now; what is ours in them goes. */
import type { WireError, WireSettings } from '../../frames.ts'

const TEXT_MAX = 4096

export function errorJson(error: unknown): string {
  return JSON.stringify(wireError(error))
}

export function wireError(error: unknown): WireError {
  if (isWireError(error)) return error
  if (!(error instanceof Error)) return { code: 'function_failed', message: String(error).slice(0, TEXT_MAX) }
  const message = `${error.name}: ${error.message}`.slice(0, TEXT_MAX)
  const stack = cleanStack(typeof error.stack === 'string' ? error.stack : '')
  return { code: 'function_failed', message, ...(stack === '' ? {} : { stack }) }
}

export function deadline(message: string): WireError {
  return { code: 'deadline_exceeded', message, limit: 'timeout' }
}

export function notReady({ name, loadMs }: WireSettings): WireError {
  return deadline(`Cannot load "${name}": its module is not ready after ${loadMs} ms (a top-level await that does not end?)`)
}

export function rejectionText(error: unknown): string {
  const { message, stack } = wireError(error)
  return `Unhandled rejection: ${stack ?? message}`
}

/** Why an isolate that nobody here disposed of is no more; `message` is what isolated-vm says, which names the memory limit only to the first who asks. */
export function disposedError(message: string, isShared: boolean): WireError {
  return !isShared || message.includes('memory limit')
    ? { code: 'memory_exceeded', message: 'Cannot go on: the function used more memory than its limit (execution.memory)', limit: 'memory' }
    : { code: 'worker_crashed', message: 'Cannot go on: the isolate was disposed' }
}

/** Somebody else than the runtime wrote into the isolate's outbox. */
export const TAMPERED: WireError = { code: 'worker_crashed', message: 'Cannot go on: what the isolate says is nothing its runtime writes' }

/** Each unhandled rejection makes another one. */
export const ENDLESS: WireError = {
  code: 'worker_crashed',
  message: 'Cannot go on: what the function rejects is rejected again, without end',
}

function isWireError(error: unknown): error is WireError {
  return typeof error === 'object' && error !== null && 'code' in error && 'message' in error && !(error instanceof Error)
}

/** Everything from the boundary on is the host's. */
function cleanStack(stack: string): string {
  const [user = ''] = stack.slice(0, TEXT_MAX * 4).split(/\n\s+at \(<isolated-vm/)
  return user
    .split('\n')
    .filter((line) => !line.includes('osiris:runtime'))
    .join('\n')
    .slice(0, TEXT_MAX)
}
