/** Order statistics. All throw for an empty list: a figure from nothing is a mistake. */
export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** Linear between the two nearest ranks; `p` from 0 to 100. */
export function percentile(values: readonly number[], p: number): number {
  if (values.length === 0) throw new Error('there is no percentile of nothing')
  const sorted = values.toSorted((a, b) => a - b)
  const rank = (p / 100) * (sorted.length - 1)
  const below = sorted[Math.floor(rank)]!
  return below + (sorted[Math.ceil(rank)]! - below) * (rank - Math.floor(rank))
}

export function round(value: number, digits = 2): number {
  const scale = 10 ** digits
  return Math.round(value * scale) / scale
}
