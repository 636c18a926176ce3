/** What another version changes: settings key by key, routes, environment, references to secrets, source, artifact, tests. Pure; secrets have no values here. */
import { OsirisError } from '#protocols/errors'
import { LIVE } from '#protocols/function'
import type { Manifest } from '#protocols/manifest'
import type { VersionChange, VersionDiff, VersionSummary } from '#protocols/management'

/**
 * `versions` oldest first, `from` and `to` as after the `@` of a reference. Without `to` it is the newest version that is live, without `from` the
 * one published before `to`. Throws `not_found`, `conflict` where there is none before, `invalid_argument` for what means several.
 */
export function diffVersions(name: string, versions: readonly VersionSummary[], from?: string, to?: string): VersionDiff {
  const newer = to === undefined ? liveOf(name, versions) : selected(name, versions, to)
  const older = from === undefined ? versions[versions.indexOf(newer) - 1] : selected(name, versions, from)
  if (older === undefined)
    throw new OsirisError(
      'conflict',
      `Cannot compare "${name}": no version was published before v${newer.ordinal} (versions: ${versions.length})`,
    )
  const nameOf = ({ version, ordinal }: VersionSummary) => ({ version, ordinal })
  return { from: nameOf(older), to: nameOf(newer), changes: changesOf(older.manifest, newer.manifest) }
}

/** By key; `null` where a key is only on the other side. Who built the two is no change. */
export function changesOf(before: Manifest, after: Manifest): VersionChange[] {
  const [one, other] = [flat(before), flat(after)]
  const keys = [...new Set([...one.keys(), ...other.keys()])].toSorted()
  return keys
    .map((key) => ({ key, from: one.get(key) ?? null, to: other.get(key) ?? null }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to))
}

function flat({ artifact, source, parameters, tests, settings }: Manifest): Map<string, VersionChange['from']> {
  const { secrets, ...rest } = settings
  const found = new Map<string, VersionChange['from']>()
  const add = (key: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [name, inner] of Object.entries(value)) add(key === '' ? name : `${key}.${name}`, inner)
    else found.set(key, value as VersionChange['from'])
  }
  add('', rest)
  add('artifact', { digest: artifact.digest, bytes: artifact.bytes })
  add('source', source)
  add('parameters', parameters)
  for (const each of tests) found.set(`tests.${each.file}`, each.digest)
  for (const each of secrets) found.set(`secrets.${each.name}`, each.version ?? 'newest')
  return found
}

function liveOf(name: string, versions: readonly VersionSummary[]): VersionSummary {
  const live = versions.findLast(({ aliases }) => aliases.includes(LIVE))
  if (live !== undefined) return live
  throw new OsirisError('not_found', `Cannot compare "${name}": no version is live`)
}

function selected(name: string, versions: readonly VersionSummary[], selector: string): VersionSummary {
  const byAlias = versions.filter(({ aliases }) => aliases.includes(selector))
  const byName = versions.filter(
    ({ version, ordinal }) => selector === `v${ordinal}` || (selector.length >= 8 && version.startsWith(selector)),
  )
  const found = byAlias.length > 0 ? byAlias : byName
  if (found.length > 1)
    throw new OsirisError('invalid_argument', `Cannot compare "${name}@${selector}": it means ${found.length} versions, name one of them`)
  if (found[0] !== undefined) return found[0]
  const state = `the function has no version or alias "${selector}" (versions: ${versions.length})`
  throw new OsirisError('not_found', `Cannot find "${name}@${selector}": ${state}`)
}
