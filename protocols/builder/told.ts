/** What a manifest tells of its source besides the code: the tests that travel with it, and the names of its files. Pure. */
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { type Manifest, SOURCE_NAMES_MAX, TESTS_MAX } from '#protocols/manifest'
import type { SourceFiles } from './builder.ts'

/** A manifest has to fit one entry of the ledger beside its settings. */
const NAMES_CHARS_MAX = 4096

/** A file beside the code that the bundle does not hold, by its name: `greet.test.ts`. */
export function isTestFile(path: string): boolean {
  return /\.(?:test|spec)\.[cm]?[jt]sx?$/.test(path) && !isPackaged(path)
}

/** By name. Throws `invalid_argument` for more than a manifest holds. */
export function testsOf(files: SourceFiles): Manifest['tests'] {
  const names = Object.keys(files).filter(isTestFile).toSorted()
  if (names.length > TESTS_MAX)
    throw new OsirisError('invalid_argument', `Cannot build: it has ${names.length} test files, at most ${TESTS_MAX} are taken`)
  return names.map((file) => ({ file, digest: digestOf(Buffer.from(files[file] as string)) }))
}

/** The author's own files, by name, as many as fit. */
export function namesOf(files: SourceFiles): string[] {
  const names: string[] = []
  let left = NAMES_CHARS_MAX
  for (const path of Object.keys(files).toSorted()) {
    if (isPackaged(path)) continue
    left -= path.length
    if (left < 0 || names.length === SOURCE_NAMES_MAX) break
    names.push(path)
  }
  return names
}

function isPackaged(path: string): boolean {
  return /(?:^|\/)node_modules\//.test(path)
}
