/** fetch: every request leaves through the node, which decides; without `egress` it never does. */
import { Request, type RequestInit } from './request.ts'

export async function fetch(input: string | URL | Request, init?: RequestInit): Promise<never> {
  const request = new Request(input, init)
  const { host } = new URL(request.url)
  const error = new Error(`Cannot fetch from "${host}": the function's "egress" does not allow it`)
  throw Object.defineProperties(error, { name: { value: 'OsirisError' }, code: { value: 'egress_denied', enumerable: true } })
}
