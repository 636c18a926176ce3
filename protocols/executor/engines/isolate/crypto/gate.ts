/**
 * How much cryptography a worker does at once, over all its instances. With no more at work than there are threads for it, the time one takes is the
 * processor time it costs, and no instance's queue stands before another's.
 */
/** Two of the four threads Node has for it. */
const RUNNING_MAX = 2
/** RSA key generation takes as long as its luck has it, up to seconds: one at a time. */
const HEAVY_MAX = 1

export interface Job {
  isHeavy: boolean
  /** Never rejects. */
  run(): Promise<void>
}

/** An instance with operations that wait. */
export interface JobSource {
  /** The next one that may run now. */
  take(mayBeHeavy: boolean): Job | undefined
  /** Whether it has any to come back for. */
  readonly hasWork: boolean
}

export class Gate {
  readonly #sources = new Set<JobSource>()
  #running = 0
  #heavy = 0

  /** The source has something, or may go on. */
  offer(source: JobSource): void {
    this.#sources.add(source)
    this.#fill()
  }

  forget(source: JobSource): void {
    this.#sources.delete(source)
  }

  #fill(): void {
    while (this.#running < RUNNING_MAX && this.#next());
  }

  /** Starts the next job of the first source that has one; it goes to the end of the row. Whether there was one. */
  #next(): boolean {
    for (const source of [...this.#sources]) {
      this.#sources.delete(source)
      const job = source.take(this.#heavy < HEAVY_MAX)
      if (source.hasWork) this.#sources.add(source)
      if (job === undefined) continue
      this.#start(job)
      return true
    }
    return false
  }

  #start(job: Job): void {
    this.#running++
    if (job.isHeavy) this.#heavy++
    void job.run().finally(() => {
      this.#running--
      if (job.isHeavy) this.#heavy--
      this.#fill()
    })
  }
}
