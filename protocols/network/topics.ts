/** Any number of handlers per topic over a transport that knows one. */
import type { Peer, TopicHandler } from './network.ts'
import type { Transport } from './transport.ts'

export class Topics {
  readonly #transport: Pick<Transport, 'subscribe'>
  readonly #onError: (error: unknown) => void
  readonly #handlers = new Map<string, { all: Set<TopicHandler>; stop: () => void }>()

  constructor(init: { transport: Pick<Transport, 'subscribe'>; onError: (error: unknown) => void }) {
    this.#transport = init.transport
    this.#onError = init.onError
  }

  subscribe(topic: string, handler: TopicHandler): () => void {
    const own: TopicHandler = (from, data) => handler(from, data)
    let topics = this.#handlers.get(topic)
    if (topics === undefined) {
      const all = new Set<TopicHandler>()
      topics = { all, stop: this.#transport.subscribe(topic, (from, data) => this.#heard(all, from, data)) }
      this.#handlers.set(topic, topics)
    }
    const { all, stop } = topics
    all.add(own)
    return () => {
      if (!all.delete(own) || all.size > 0) return
      this.#handlers.delete(topic)
      stop()
    }
  }

  /** One refusal is enough: the message goes no further. A handler that throws has not judged it. */
  #heard(handlers: ReadonlySet<TopicHandler>, from: Peer, data: Uint8Array): boolean {
    let accepted = true
    for (const handler of [...handlers]) {
      try {
        if (handler(from, data) === false) accepted = false
      } catch (error) {
        this.#onError(error)
      }
    }
    return accepted
  }
}
