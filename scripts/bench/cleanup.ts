/** Everything a run started or wrote, undone once, in reverse, however the run ends. */
export class Cleanup {
  readonly #steps: (() => Promise<void>)[] = []
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined

  /** Aborts when the undoing begins: nothing new is started from then on, and commands under way end. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** Comes before what it undoes, since it throws once the undoing has begun. Returns the way to do the step now, and once only. */
  add(step: () => Promise<void>): () => Promise<void> {
    this.signal.throwIfAborted()
    let done: Promise<void> | undefined
    const once = () => (done ??= step())
    this.#steps.push(once)
    return once
  }

  /** Every step is tried; the first failure is thrown at the end. */
  run(): Promise<void> {
    return (this.#running ??= this.#runAll())
  }

  async #runAll(): Promise<void> {
    this.#ending.abort(new Error('the run is ending'))
    const failures: unknown[] = []
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop())
      await step().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }
}
