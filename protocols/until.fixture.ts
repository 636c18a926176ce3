/** For tests: waiting for a state, with a bound. */

/** Polls until the condition holds; throws with the condition's source when it does not within `withinMs`. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs = 5_000, everyMs = 2): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
