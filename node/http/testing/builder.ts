/** A builder that only strips types: one file, no imports, no bundling. */
import { stripTypeScriptTypes } from 'node:module'
import type { Builder, Built, Source } from '#protocols/builder'
import { digestOf, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { functionConfigSchema, settingsOf } from '#protocols/manifest'

export class FakeBuilder implements Builder {
  async build({ namespace, name, files, entry, config }: Source): Promise<Built> {
    const text = files[entry]
    if (text === undefined || text === '')
      throw new OsirisError('invalid_argument', `Cannot build "${namespace}/${name}": "${entry}" is empty`)
    const artifact = Buffer.from(strip(text, `${namespace}/${name}`))
    const digest = digestOf(artifact)
    const settings = settingsOf(parse(functionConfigSchema, config ?? {}, 'the settings'))
    const manifest = {
      format: 1,
      namespace,
      name,
      artifact: { digest, bytes: artifact.length },
      parameters: [],
      settings,
    } as const
    const told = { tests: [], provenance: { node: 'fake', tools: [], files: [] } }
    return { manifest: { ...manifest, ...told, parameters: [], source: { digest, entry, language: 'typescript' } }, artifact, warnings: [] }
  }
}

function strip(text: string, what: string): string {
  try {
    return stripTypeScriptTypes(text)
  } catch (error) {
    throw new OsirisError('build_failed', `Cannot build "${what}": ${(error as Error).message}`, { details: { problems: [] } })
  }
}
