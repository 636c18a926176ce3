/** How a management route is written: its description for OpenAPI, and what it does. Input is parsed by its schema at the door, whatever content type it claims. */
import type { Context } from 'hono'
import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import type { FoundCaller } from '#node/access'
import { parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { tooLarge } from './body.ts'
import { problemOf } from './problem.ts'
import { problemSchema } from './schemas.ts'

/** Callers come in as a binding, so that routes are tested without a socket. */
export interface ManagementEnv {
  /** `from`: the address that the request came from. */
  Bindings: { found: FoundCaller; from?: string | undefined }
}
export type ManagementContext = Context<ManagementEnv>

export interface Route {
  summary: string
  /** Of path parameters; each is a string. */
  params?: string[]
  query?: z.ZodObject
  body?: z.ZodType
  /** Schemas of the answers by status. Errors need no mention. */
  answers: Record<number, { description: string; schema: z.ZodType }>
  handle(context: ManagementContext): Promise<Response>
}

type Method = 'get' | 'post' | 'put' | 'delete'

/** Adds a route (`/v1/things/{name}`) to the app and to its description. */
export function define(app: OpenAPIHono<ManagementEnv>, method: Method, path: string, route: Route): void {
  app.openAPIRegistry.registerPath(describe(method, path, route))
  app.on(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), (context) => route.handle(context))
}

function describe(method: Method, path: string, route: Route): RouteConfig {
  const { params, query, body } = route
  const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema } } })
  const answers = Object.entries(route.answers).map(
    ([status, { description, schema }]) => [status, { description, ...json(schema) }] as const,
  )
  return {
    method,
    path,
    summary: route.summary,
    security: [{ token: [] }, {}],
    request: {
      ...(params === undefined ? {} : { params: z.object(Object.fromEntries(params.map((each) => [each, z.string()]))) }),
      ...(query === undefined ? {} : { query }),
      ...(body === undefined ? {} : { body: { required: true, ...json(body) } }),
    },
    responses: { ...Object.fromEntries(answers), default: problemAnswer },
  }
}

export const problemAnswer = {
  description: 'A problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: problemSchema } },
}

/** The request's JSON, judged. Throws `payload_too_large` and `invalid_argument`. */
export async function bodyAs<S extends z.ZodType>(
  context: ManagementContext,
  schema: S,
  bytesMax: number,
  what: string,
): Promise<z.output<S>> {
  return parse(schema, parseJson(await bytesOf(context.req.raw, bytesMax), what), what)
}

/** The same as it came, for whoever hands it on. Throws `payload_too_large`. */
export function bodyBytesOf(context: ManagementContext, bytesMax: number): Promise<Buffer> {
  return bytesOf(context.req.raw, bytesMax)
}

export function queryAs<S extends z.ZodType>(context: ManagementContext, schema: S): z.output<S> {
  return parse(schema, context.req.query(), 'the query')
}

export function problemResponse(error: unknown): Response {
  const { status, headers, body } = problemOf(error)
  const pairs: [string, string][] = []
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i] as string, headers[i + 1] as string])
  return new Response(new Uint8Array(body), { status, headers: pairs })
}

async function bytesOf(request: Request, bytesMax: number): Promise<Buffer> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** RFC 8259 section 8.1: what is not UTF-8 is not JSON, and nothing is put in its place. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot read ${what}: its body is not JSON (${(error as Error).message.slice(0, 200)})`, {
      cause: error,
    })
  }
}
