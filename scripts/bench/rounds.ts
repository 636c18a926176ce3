/** A B C A B C: what disturbs the machine for a while disturbs all. */
export async function interleave<C extends string, R>(
  rounds: number,
  contenders: readonly C[],
  measure: (contender: C) => Promise<R>,
): Promise<Record<C, R[]>> {
  const results = Object.fromEntries(contenders.map((each) => [each, [] as R[]])) as Record<C, R[]>
  for (let round = 0; round < rounds; round++) for (const each of contenders) results[each].push(await measure(each))
  return results
}
