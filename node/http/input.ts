/** What management routes read of a request besides its body: what its path names, and how far a write must have come. */
import type { WriteOptions } from '#protocols/catalog'
import { assertName, type FunctionRef, refOf } from '#protocols/function'
import type { Caller } from '#protocols/invocation'
import type { WriteChoice } from '#protocols/management'
import { type ManagementContext, queryAs } from './define.ts'
import type { HttpLimits } from './limits.ts'
import { writeQuerySchema } from './schemas.ts'

export function paramOf(context: ManagementContext, name: string): string {
  return context.req.param(name) ?? ''
}

/** `{name}` may carry `@VERSION` or `@ALIAS`. Throws `invalid_argument`. */
export function refOfPath(context: ManagementContext): FunctionRef {
  return refOf(paramOf(context, 'namespace'), paramOf(context, 'name'))
}

/** A function as a whole: a selector has no meaning there. Throws `invalid_argument`. */
export function plainRefOf(context: ManagementContext): FunctionRef {
  const namespace = namespaceOf(context)
  const name = paramOf(context, 'name')
  assertName(name, 'a function name')
  return { namespace, name }
}

/** Throws `invalid_argument`. */
export function namespaceOf(context: ManagementContext): string {
  const namespace = paramOf(context, 'namespace')
  assertName(namespace, 'a namespace')
  return namespace
}

export function choiceOf(context: ManagementContext): WriteChoice {
  const { ack, timeoutMs } = queryAs(context, writeQuerySchema)
  return { ...(ack === undefined ? {} : { ack }), ...(timeoutMs === undefined ? {} : { timeoutMs }) }
}

export function writeOptionsOf(context: ManagementContext, caller: Caller, { writeTimeoutMs }: HttpLimits): WriteOptions {
  const { ack = 'committed', timeoutMs = writeTimeoutMs } = choiceOf(context)
  return { caller, ack, timeoutMs }
}
