/** Source → artifact: bundling, and the manifest that names it. Had as a service or as a client. */
import type { Manifest } from '#protocols/manifest'
import type { FunctionConfig } from '#protocols/manifest'
import type { Caller } from '#protocols/invocation'

/** Source files by relative POSIX path (no `..`, no leading `/`); at most 2,000 files and 8 MiB together. */
export type SourceFiles = Record<string, string>

export interface Source {
  namespace: string
  name: string
  files: SourceFiles
  /** The file with the default export. */
  entry: string
  config?: FunctionConfig
}

export interface Built {
  manifest: Manifest
  artifact: Uint8Array
  /** What the bundler warned about, one text per warning with file and line. */
  warnings: string[]
}

export interface Builder {
  /**
   * Bundles the source to one ES module without imports (but `osiris/function`), deterministically: the same source gives the same bytes on every node.
   * Throws `invalid_argument` (names, settings, an empty or binary file, an entry that is not there) and `build_failed`
   * with `details: { problems: [{ file, line, column, message, frame }] }`, the sentence holding the first, its frame included.
   */
  build(source: Source, options: { caller: Caller; timeoutMs: number }): Promise<Built>
}
