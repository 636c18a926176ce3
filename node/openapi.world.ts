/** Requests and what must be true of their answers, from an OpenAPI document alone: what it says may be sent, near misses of it, and what nobody should send. */
import { request } from 'node:http'
import fc from 'fast-check'
import { z } from 'zod'

/** As far as zod writes them. */
interface Schema {
  type?: string | string[]
  enum?: unknown[]
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  items?: Schema
  prefixItems?: Schema[]
  minItems?: number
  maxItems?: number
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
}

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema?: Schema
}

type Content = Record<string, { schema?: Schema }>

interface Described {
  parameters?: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { content?: Content }>
}

export interface Document {
  paths: Record<string, Record<string, Described>>
}

export interface Operation {
  method: string
  path: string
  described: Described
}

export interface Asked {
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
}

export interface Told {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

/** Values that mean something where they are sent, by the name of what they are sent as. */
export type Pool = Readonly<Record<string, readonly unknown[]>>

/** Those that take something away come last. */
export function operationsOf({ paths }: Document): Operation[] {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({ method: method.toUpperCase(), path, described })),
  )
  const removes = ({ method, path }: Operation) => method === 'DELETE' && !path.startsWith('/v1/fetch/')
  return [...all.filter((each) => !removes(each)), ...all.filter(removes)]
}

/** What no name or number should be: traversal, control characters, half of an escape, another alphabet, too much. */
const NASTY = [
  '',
  '..',
  '.',
  '%00',
  '%2e%2e%2fetc',
  'a%2Fb',
  '%E0%A4%A',
  'ä',
  '💥',
  '__proto__',
  'null',
  '-1',
  '1e999',
  "' OR 1=1",
  'x'.repeat(300),
]

export function requestsOf({ method, path, described }: Operation, pool: Pool): fc.Arbitrary<Asked> {
  const parameters = described.parameters ?? []
  const named = (where: Parameter['in']) => parameters.filter((each) => each.in === where)
  const texts = (where: Parameter['in']) =>
    fc.record(Object.fromEntries(named(where).map(({ name, schema }) => [name, textOf(name, schema ?? {}, pool)])), {
      requiredKeys: named(where).flatMap(({ name, required }) => (required === true || where === 'path' ? [name] : [])),
    })
  const schema = described.requestBody?.content['application/json']?.schema
  return fc
    .record({ inPath: texts('path'), inQuery: texts('query'), inHeaders: texts('header'), body: bodyOf(schema, pool), caller: callers })
    .map(({ inPath, inQuery, inHeaders, body, caller }) => ({
      method,
      path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => escaped(inPath[name] ?? '')) + queryOf(inQuery),
      headers: { ...latin(inHeaders), ...caller, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body,
    }))
}

/** The developer mostly; a page, a proxy, and a token that is none. */
const callers = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Record<string, string>>({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Record<string, string>>(
      { origin: 'http://evil.example' },
      { 'x-forwarded-for': '1.2.3.4' },
      { 'osiris-token': 'a.b.c' },
    ),
  },
)

function textOf(name: string, schema: Schema, pool: Pool): fc.Arbitrary<string> {
  const meant = pool[name] === undefined ? valueOf(schema, pool, name) : fc.constantFrom(...pool[name])
  return fc.oneof(
    { weight: 14, arbitrary: meant.map(String) },
    { weight: 1, arbitrary: valueOf(schema, pool, '').map(String) },
    { weight: 1, arbitrary: fc.constantFrom(...NASTY) },
  )
}

function bodyOf(schema: Schema | undefined, pool: Pool): fc.Arbitrary<string | undefined> {
  if (schema === undefined) return fc.constant(undefined)
  const valid = valueOf(schema, pool, '')
  const near = fc.tuple(valid, fc.string(), fc.jsonValue()).map(([value, key, wrong]) => missed(value, key, wrong))
  return fc.oneof(
    { weight: 6, arbitrary: valid.map((value) => JSON.stringify(value)) },
    { weight: 3, arbitrary: near.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.oneof(fc.json(), fc.string(), fc.constantFrom('', '{', '[]', 'null', '{"__proto__":{"a":1}}', '1e999')) },
  )
}

/** One key of it is something else, or one more is there. */
function missed(value: unknown, key: string, wrong: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong
  const keys = Object.keys(value)
  return { ...value, [keys.length === 0 ? key : (keys[key.length % keys.length] as string)]: wrong }
}

function valueOf(schema: Schema, pool: Pool, name: string): fc.Arbitrary<unknown> {
  const known = pool[name]
  const own = generated(schema, pool)
  return known === undefined ? own : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: own })
}

function generated(schema: Schema, pool: Pool): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((each) => generated(each, pool)))
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => generated({ ...schema, type }, pool)))
  return (GENERATED[schema.type ?? ''] ?? (() => fc.jsonValue()))(schema, pool)
}

const GENERATED: Record<string, ((schema: Schema, pool: Pool) => fc.Arbitrary<unknown>) | undefined> = {
  string: stringOf,
  integer: (schema) => fc.integer(rangeOf(schema)),
  number: (schema) => fc.oneof(fc.integer(rangeOf(schema)), fc.double({ ...rangeOf(schema), noNaN: true, noDefaultInfinity: true })),
  boolean: () => fc.boolean(),
  null: () => fc.constant(null),
  array: ({ items = {}, minItems = 0, maxItems = 4 }, pool) =>
    fc.array(generated(items, pool), { minLength: minItems, maxLength: Math.min(maxItems, 4) }),
  object: objectOf,
}

function objectOf({ properties = {}, required = [], additionalProperties }: Schema, pool: Pool): fc.Arbitrary<unknown> {
  const known = fc.record(Object.fromEntries(Object.entries(properties).map(([key, each]) => [key, valueOf(each, pool, key)])), {
    requiredKeys: required,
  })
  if (typeof additionalProperties !== 'object') return known
  return fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), generated(additionalProperties, pool), { maxKeys: 3 })
}

function stringOf({ pattern, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 40)) })
  // What a pattern looks ahead for is judged, not made.
  return fc.stringMatching(new RegExp(pattern.replaceAll(/\(\?!.*?\)/g, ''))).filter((text) => new RegExp(pattern).test(text))
}

function rangeOf({ minimum = -1000, maximum = 1_000_000 }: Schema): { min: number; max: number } {
  return { min: Math.ceil(minimum), max: Math.max(Math.ceil(minimum), Math.floor(maximum)) }
}

/** As a path can carry it; what is an escape already stays one. */
function escaped(text: string): string {
  return text.includes('%') ? text.replaceAll(/[^\x21-\x7e]|[?#]/g, '') : encodeURIComponent(text.toWellFormed())
}

function queryOf(texts: Record<string, string>): string {
  const pairs = Object.entries(texts).map(([name, value]) => `${name}=${escaped(value)}`)
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

function latin(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, value.replaceAll(/[^\x20-\x7e]/g, '?')]))
}

export function send(base: string, { method, path, headers, body }: Asked): Promise<Told> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base)
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const sent = request({ hostname, port, method, path, headers: { ...headers, ...length } }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() }))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** What is wrong with the answer, by the document. */
export function faultsOf({ described }: Operation, { status, headers, text }: Told): string[] {
  if (status >= 500) return [`${status}: ${text.slice(0, 300)}`]
  const type = String(headers['content-type'] ?? '').split(';')[0] ?? ''
  const own = described.responses[String(status)]
  const isProblem = own?.content?.[type] === undefined && (own === undefined || type === 'application/problem+json')
  const response = isProblem ? described.responses['default'] : own
  if (response === undefined) return [`${status} is not in the document`]
  if (response.content === undefined) return []
  const schema = response.content[type]?.schema
  if (schema === undefined) return [`${status} has content of type ${JSON.stringify(type)}, which is not in the document`]
  if (!type.endsWith('json')) return []
  return [...contentFaults(schema, text), ...(isProblem ? problemFaults(status, headers, text) : [])]
}

function contentFaults(schema: Schema, text: string): string[] {
  const value = parsed(text)
  if (value === undefined) return [`it is not JSON: ${text.slice(0, 100)}`]
  const judged = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value)
  return [...(judged.success ? [] : [z.prettifyError(judged.error)]), ...undescribed(schema, value, '')]
}

/** Keys that the document does not name. */
function undescribed(schema: Schema, value: unknown, at: string): string[] {
  if (schema.anyOf !== undefined) {
    const all = schema.anyOf.map((each) => undescribed(each, value, at))
    return all.find((each) => each.length === 0) ?? all[0] ?? []
  }
  if (Array.isArray(value))
    return schema.items === undefined ? [] : value.flatMap((each) => undescribed(schema.items as Schema, each, `${at}[]`))
  const { properties } = schema
  if (typeof value !== 'object' || value === null || properties === undefined) return []
  return Object.entries(value).flatMap(([key, each]) => {
    const known = properties[key]
    if (known !== undefined) return undescribed(known, each, `${at}.${key}`)
    return schema.additionalProperties === undefined || schema.additionalProperties === false ? [`${at}.${key} is not in the document`] : []
  })
}

function problemFaults(status: number, headers: Told['headers'], text: string): string[] {
  const { code, status: said, detail } = parsed(text) as { code?: unknown; status?: unknown; detail?: unknown }
  const faults = []
  if (said !== status) faults.push(`the document says ${String(said)}, the answer ${status}`)
  if (headers['osiris-error'] !== code) faults.push(`osiris-error is ${String(headers['osiris-error'])}, code ${String(code)}`)
  if (!/^Cannot .+: .+/s.test(String(detail))) faults.push(`no act and state: ${String(detail)}`)
  if (status === 429 && headers['retry-after'] === undefined) faults.push('429 without Retry-After')
  if (status === 405 && headers['allow'] === undefined) faults.push('405 without Allow')
  if (status === 401 && headers['www-authenticate'] === undefined) faults.push('401 without WWW-Authenticate')
  return faults
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
