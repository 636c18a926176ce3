/** Maps and sets that remember only so much. */

/** Makes room for one more, where there may be `max`: what was put in first goes. */
export function dropOldest<K>(kept: Map<K, unknown> | Set<K>, max: number): void {
  if (kept.size >= max) kept.delete(kept.keys().next().value as K)
}
