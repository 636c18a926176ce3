/** What travels between a builder's client and its service. */
import { z } from 'zod'
import { decode, decodeAs, encode, parse } from '#protocols/codec'
import type { Caller } from '#protocols/invocation'
import { manifestSchema, nameSchema } from '#protocols/manifest'
import { collect } from '#protocols/body'
import type { Message } from '#protocols/network'
import { ARTIFACT_BYTES_MAX } from './artifact.ts'
import type { Built, Source } from './builder.ts'

export const BUILDER_PROTOCOL = 'builder/1'

/** Eight MiB of text and the paths of 2,000 files. */
const FILES_BYTES_MAX = 12 * 1024 * 1024

/** The files travel as the body, so that a caller without a grant is refused before they are read. */
const requestSchema = z.object({
  caller: z.object({ subject: z.string().max(256), token: z.string().max(8192).optional() }),
  namespace: nameSchema,
  name: nameSchema,
  entry: z.string().max(1024),
  /** JSON text: settings as written, judged by the service. */
  config: z.string().max(200_000).nullable(),
})
const filesSchema = z.record(z.string(), z.string())

export interface BuildRequest {
  caller: Caller
  namespace: string
  name: string
  entry: string
  config: string | null
}

export function encodeBuildRequest(source: Source, caller: Caller): Message {
  const { namespace, name, entry } = source
  const config = source.config === undefined ? null : JSON.stringify(source.config)
  return { head: encode({ caller, namespace, name, entry, config }), body: encode(source.files) }
}

export function decodeBuildRequest(head: Uint8Array): BuildRequest {
  const { caller, ...rest } = decodeAs(requestSchema, head, 'a build request')
  return { ...rest, caller: caller.token === undefined ? { subject: caller.subject } : { subject: caller.subject, token: caller.token } }
}

export async function readSource(request: BuildRequest, body: Message['body']): Promise<Source> {
  const files = parse(filesSchema, decode(await collect(body, FILES_BYTES_MAX, 'the source')), 'the source files')
  const { namespace, name, entry } = request
  return { namespace, name, entry, files, ...(request.config === null ? {} : { config: configOf(request.config) }) }
}

function configOf(text: string): NonNullable<Source['config']> {
  return parse(jsonSchema, text, 'the settings') as NonNullable<Source['config']>
}

const jsonSchema = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'not JSON' })
    return z.NEVER
  }
})

const answerSchema = z.object({ manifest: manifestSchema, warnings: z.array(z.string().max(8192)).max(100) })

export function encodeBuilt(built: Built): Message {
  return { head: encode({ manifest: built.manifest, warnings: built.warnings }), body: built.artifact }
}

export async function decodeBuilt(message: Message): Promise<Built> {
  const answer = decodeAs(answerSchema, message.head, 'a build')
  return { ...answer, artifact: await collect(message.body, ARTIFACT_BYTES_MAX, 'the artifact') }
}
