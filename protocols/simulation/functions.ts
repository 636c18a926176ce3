/** The functions of a run. */
import { digestOf } from '#protocols/codec'
import { functionConfigSchema, type Manifest, settingsOf } from '#protocols/manifest'

/** What people deploy. */
export const NAMES = ['greet', 'count', 'pay', 'site'] as const
/** Calls whose effect may be had twice. */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['greet', 'site'])

const functions = new Map<string, { manifest: Manifest; artifact: Uint8Array }>()

/** A function whose code is a comment. The same arguments give the same version on every node. */
export function functionOf(namespace: string, name: string, code: number): { manifest: Manifest; artifact: Uint8Array } {
  const key = `${namespace}/${name} ${code}`
  const known = functions.get(key)
  if (known !== undefined) return known
  const artifact = new Uint8Array(Buffer.from(`// ${key}`))
  const manifest: Manifest = {
    format: 1,
    namespace,
    name,
    artifact: { digest: digestOf(artifact), bytes: artifact.length },
    source: { digest: digestOf(artifact), entry: `${name}.ts`, language: 'typescript' },
    parameters: [],
    settings: settingsOf(functionConfigSchema.parse({ idempotent: IDEMPOTENT.has(name) })),
    tests: [],
    provenance: { node: 'none', tools: [], files: [] },
  }
  const made = { manifest, artifact }
  functions.set(key, made)
  return made
}
