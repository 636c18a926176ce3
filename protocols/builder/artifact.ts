/** From what the bundler made to what is published. */
import { OsirisError } from '#protocols/errors'
import type { Source } from './builder.ts'
import { type Bundled, FUNCTION_MODULE, OUTFILE, withoutTemplates } from './bundle.ts'
import { parametersOf, uncallableDefault } from './parameters.ts'
import { buildFailedFor, describe, largestOf, problemOf, sizeText } from './problems.ts'

export const ARTIFACT_BYTES_MAX = 16 * 1024 * 1024
/** Maps stacks of what people write; a large bundle is mostly packages, and its map would be shipped and cached with every copy. */
const SOURCE_MAP_BYTES_MAX = 128 * 1024
const WARNINGS_MAX = 50

export interface Artifact {
  bytes: Uint8Array
  parameters: string[]
  warnings: string[]
}

/** Throws `build_failed` for a bundle nobody can run: no default export, an import left over, or too large. */
export async function artifactOf(bundled: Bundled, source: Source, what: string): Promise<Artifact> {
  const code = bundled.outputFiles.find((each) => each.path.endsWith('.js'))
  const output = bundled.metafile.outputs[OUTFILE]
  if (code === undefined || output === undefined) throw new OsirisError('internal', `Cannot build ${what}: the bundler made no output`)
  if (!output.exports.includes('default')) throw buildFailedFor(what, withoutDefault(source.entry, output.exports))
  const left = output.imports.find((each) => each.external === true && each.path !== FUNCTION_MODULE)
  if (left !== undefined)
    throw buildFailedFor(
      what,
      `it imports "${left.path.slice(0, 160)}", and a function is one file (only "${FUNCTION_MODULE}" is provided)`,
    )
  const bytes = withSourceMap(code.contents, bundled.outputFiles.find((each) => each.path.endsWith('.map'))?.contents)
  if (bytes.length > ARTIFACT_BYTES_MAX)
    throw buildFailedFor(
      what,
      `the bundle has ${sizeText(bytes.length)}, at most ${sizeText(ARTIFACT_BYTES_MAX)} are taken; the largest parts of it are ${largestOf(partsOf(output.inputs))}`,
    )
  const plain = await withoutTemplates(code.text).catch(() => '')
  const kind = uncallableDefault(plain)
  if (kind !== undefined)
    throw buildFailedFor(what, `the default export of "${source.entry}" is ${kind}; export a function, or an object with a fetch method`)
  const warnings = bundled.warnings.slice(0, WARNINGS_MAX).map((each) => describe({ ...problemOf(each, source.files), frame: '' }))
  return { bytes, parameters: parametersOf(plain), warnings }
}

function withoutDefault(entry: string, exports: string[]): string {
  const named = exports.length === 0 ? 'it exports nothing' : `it exports ${exports.slice(0, 8).join(', ')} only`
  return `"${entry}" has no default export, and that is what is called (${named})`
}

function partsOf(inputs: Bundled['metafile']['outputs'][string]['inputs']): [string, number][] {
  return Object.entries(inputs).map(([name, { bytesInOutput }]) => [name, bytesInOutput])
}

/** The map as the last line, when it is small: stacks can be mapped wherever the artifact is. */
function withSourceMap(code: Uint8Array, map: Uint8Array | undefined): Uint8Array {
  if (map === undefined || map.length > SOURCE_MAP_BYTES_MAX) return code
  const line = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}\n`
  return new Uint8Array(Buffer.concat([code, Buffer.from(line)]))
}
