import type { Clock } from '#protocols/lifecycle'

/** Resolves when the work ends or the time is up; the work goes on. */
export async function within(work: Promise<unknown>, clock: Clock, timeoutMs: number): Promise<void> {
  let cancel = () => {}
  const timeUp = new Promise<void>((resolve) => {
    cancel = clock.after(timeoutMs, resolve)
  })
  await Promise.race([work, timeUp])
  cancel()
}
