/** Asks one candidate after another for the same thing; a slow one is overtaken by the next. For reads only. */
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { Rest } from './rest.ts'

export interface HedgeOptions {
  clock: Clock
  /** A candidate that has not answered for so long gets company. */
  hedgeMs: number
  /** Candidates asked at the same time. */
  inFlightMax: number
  signal?: AbortSignal
  /** Whether a failure leaves hope in the next candidate. */
  goesOn: (error: OsirisError) => boolean
  /** What is thrown when there is no candidate at all. */
  none: () => OsirisError
}

type Event<R> = { kind: 'value'; value: R } | { kind: 'failed'; error: OsirisError } | { kind: 'slow' }

/** The first answer. Throws the first failure that ends the search, else the most telling one of all. The others are told by their signal. */
export async function firstOf<T, R>(
  candidates: Iterable<T> | AsyncIterable<T>,
  attempt: (candidate: T, signal: AbortSignal) => Promise<R>,
  options: HedgeOptions,
): Promise<R> {
  const search = new Search<R>(options)
  try {
    for await (const candidate of candidates) {
      search.start((signal) => attempt(candidate, signal))
      do {
        const event = await search.next()
        if (event.kind === 'value') return event.value
        if (event.kind === 'failed' || search.inFlight < options.inFlightMax) break
      } while (search.inFlight > 0)
    }
    while (search.inFlight > 0) {
      const event = await search.next()
      if (event.kind === 'value') return event.value
    }
    throw mostTelling(search.failures) ?? options.none()
  } finally {
    search.stop()
  }
}

class Search<R> {
  readonly failures: OsirisError[] = []
  inFlight = 0
  readonly #options: HedgeOptions
  readonly #controller = new AbortController()
  readonly #signal: AbortSignal
  readonly #events: Event<R>[] = []
  readonly #rest: Rest

  constructor(options: HedgeOptions) {
    this.#options = options
    this.#rest = new Rest(options.clock)
    this.#signal = options.signal === undefined ? this.#controller.signal : AbortSignal.any([options.signal, this.#controller.signal])
  }

  start(attempt: (signal: AbortSignal) => Promise<R>): void {
    this.inFlight += 1
    attempt(this.#signal).then(
      (value) => this.#tell({ kind: 'value', value }),
      (error: unknown) => this.#tell({ kind: 'failed', error: OsirisError.from(error, 'Cannot read from a member') }),
    )
  }

  /** What happens next, `slow` when nothing does. Throws the failure that ends the search. */
  async next(): Promise<Event<R>> {
    if (this.#events.length === 0) await this.#rest.for(this.#options.hedgeMs)
    const event = this.#events.shift() ?? { kind: 'slow' }
    if (event.kind !== 'slow') this.inFlight -= 1
    if (event.kind === 'failed') {
      this.failures.push(event.error)
      if (!this.#options.goesOn(event.error)) throw event.error
    }
    return event
  }

  stop(): void {
    this.#controller.abort()
  }

  #tell(event: Event<R>): void {
    this.#events.push(event)
    this.#rest.wake()
  }
}

/** "It is not there" says more than "nobody answered". */
function mostTelling(failures: OsirisError[]): OsirisError | undefined {
  return failures.find((error) => error.code === 'not_found') ?? failures[0]
}
