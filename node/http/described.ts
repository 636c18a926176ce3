/** Paths that are answered before hono, as OpenAPI describes them. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { problemAnswer, type ManagementEnv } from './define.ts'
import { submittedSchema } from './call-schemas.ts'

const functionParams = z.object({ namespace: z.string(), name: z.string().openapi({ description: 'NAME[@VERSION|ALIAS]' }) })
const argumentsSchema = z.array(z.unknown()).openapi({ description: 'The arguments, in order' })
const steeringHeaders = z.object({
  'osiris-version': z
    .string()
    .optional()
    .openapi({ description: 'The version to run, with traffic or without: v3, an alias, a version or a prefix of one; takes a grant' }),
  'osiris-sticky': z
    .string()
    .max(256)
    .optional()
    .openapi({ description: 'Keeps its callers with one version where an alias means several' }),
})
const keyHeader = {
  'idempotency-key': z.string().max(256).optional().openapi({
    description:
      'The same key of the same caller is the same call, through any node, for ten minutes: the second is told what the first was answered. With another body it is a conflict. Not for GET of web functions',
  }),
}
const callHeaders = steeringHeaders.extend(keyHeader)
const deferHeaders = callHeaders.extend({
  prefer: z.string().optional().openapi({ description: 'respond-async: the call is accepted with 202, and asked about at /v1/calls/{id}' }),
  'osiris-callback': z.string().max(2048).optional().openapi({
    description: 'With respond-async: the URL that is told what came of the call, signed (Osiris-Signature: t=SECONDS,v1=HMAC)',
  }),
})
const json = (schema: z.ZodType) => ({ 'application/json': { schema } })
const security = [{ token: [] }, {}]
const tags = ['functions at work']

const field = (description: string) => z.string().optional().openapi({ description })
/** https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.txt */
const answerHeaders = z.object({
  'osiris-version': field('The version that ran'),
  'osiris-node': field('The node that ran it'),
  'osiris-hops': field('Mesh hops to it'),
  'server-timing': field('Milliseconds of route, queue, cold, run and cpu'),
  'ratelimit-policy': field('Where the namespace has a quota: its limits, such as "calls";q=100;w=1'),
  ratelimit: field('What is left of them at the node that placed the call, and when there is more: "calls";r=99;t=1'),
})

const value = {
  description: "The function's value; headers tell version, node, hops and timing",
  headers: answerHeaders,
  content: json(z.unknown()),
}
const socket = { description: 'A WebSocket, where the request asks for one and the function answers with one' }
const accepted = { description: 'Accepted: on the disk of three routers, as far as there are', content: json(submittedSchema) }
const anything = { description: "Whatever the function answers, with the platform's headers added", headers: answerHeaders }

export function describeDirectPaths({ openAPIRegistry }: OpenAPIHono<ManagementEnv>): void {
  const call = '/v1/call/{namespace}/{name}'
  const responses = { 200: value, 202: accepted, default: problemAnswer }
  openAPIRegistry.registerPath({
    method: 'post',
    path: call,
    tags,
    security,
    summary: 'Calls a value function; no body means no arguments',
    request: { params: functionParams, headers: deferHeaders, body: { content: json(argumentsSchema) } },
    responses,
  })
  openAPIRegistry.registerPath({
    method: 'get',
    path: call,
    tags,
    security,
    summary: 'The same for callers without a body: each arg is JSON where it parses, else a string',
    request: { params: functionParams, headers: deferHeaders, query: z.object({ arg: z.array(z.string()).optional() }) },
    responses,
  })
  for (const method of ['get', 'post', 'put', 'patch', 'delete', 'options'] as const) {
    openAPIRegistry.registerPath({
      method,
      path: '/v1/fetch/{namespace}/{name}/{rest}',
      tags,
      security,
      summary: 'Reaches a web function; it sees everything after its name, byte for byte',
      request: { params: functionParams.extend({ rest: z.string() }), headers: deferHeaders },
      responses: { ...(method === 'get' ? { 101: socket } : {}), 200: anything, 202: accepted, default: problemAnswer },
    })
  }
  describeHealth({ openAPIRegistry })
}

function describeHealth({ openAPIRegistry }: Pick<OpenAPIHono<ManagementEnv>, 'openAPIRegistry'>): void {
  const ready = z.object({ ready: z.boolean(), reason: z.string().optional(), peers: z.int(), functions: z.int() })
  openAPIRegistry.registerPath({
    method: 'get',
    path: '/livez',
    tags: ['health'],
    summary: 'Whether the process answers; open to everybody',
    responses: { 200: { description: 'Alive', content: json(z.object({ alive: z.literal(true) })) } },
  })
  openAPIRegistry.registerPath({
    method: 'get',
    path: '/readyz',
    tags: ['health'],
    summary: 'Whether the node may be sent requests; open on its own machine',
    responses: {
      200: { description: 'Ready', content: json(ready) },
      503: { description: 'Not ready, and why', content: json(ready) },
      default: problemAnswer,
    },
  })
  openAPIRegistry.registerPath({
    method: 'get',
    path: '/metrics',
    tags: ['health'],
    summary: 'Prometheus text; takes "read" on all namespaces, which the developer of a local universe has',
    responses: { 200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } }, default: problemAnswer },
  })
}
