/** The weights of an alias when one of its versions gets a share: the others keep theirs in proportion. Pure. */
import { OsirisError } from './errors.ts'

interface Target {
  version: string
  weight: number
}

/** Whole numbers that add up to 100. Throws `invalid_argument` for a share that leaves the others none, `conflict` where nobody has the rest. */
export function promoted(targets: readonly Target[], version: string, weight: number): Target[] {
  if (weight === 100) return [{ version, weight }]
  const others = targets.filter((each) => each.version !== version)
  const rest = 100 - weight
  if (others.length === 0)
    throw new OsirisError('conflict', `Cannot give a version ${weight} %: no other version has the remaining ${rest} %`)
  if (!Number.isInteger(weight) || weight < 1 || rest < others.length)
    throw new OsirisError(
      'invalid_argument',
      `Cannot give a version ${weight} %: a whole number is expected that leaves every other version 1 %`,
    )
  const sum = others.reduce((total, each) => total + each.weight, 0)
  // Everybody has 1 %, and what is left goes by what they had; the first of them get what rounding leaves.
  const shared = others.map((each) => ({ version: each.version, weight: 1 + Math.floor(((rest - others.length) * each.weight) / sum) }))
  let left = rest - shared.reduce((total, each) => total + each.weight, 0)
  for (const each of shared) if (left-- > 0) each.weight += 1
  return [...shared, { version, weight }]
}
