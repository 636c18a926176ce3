/**
 * What thousands of functions have in common (settings, the tools they were built with, names of people and namespaces) is in memory once, and each function
 * refers to it. Same content in, same content out; only who is the same object changes.
 */
import type { Manifest } from '#protocols/manifest'

/** Of values, and of texts. Who publishes more kinds than that pays for all of them, and the rest begins anew. */
const KINDS_MAX = 4096
/** A longer one is nobody else's. */
const TEXT_MAX = 128

export class Shared {
  readonly #values = new Map<string, object>()
  readonly #texts = new Map<string, string>()
  /** What was asked about before: entries out of one chunk of a checkpoint have it in common already. */
  readonly #asked = new WeakMap<object, object>()

  /** Written out key by key: an object that grew by one key after the other takes twice the room. */
  manifest({ format, namespace, name, artifact, source, parameters, settings, tests, provenance }: Manifest): Manifest {
    return {
      format,
      namespace: this.text(namespace),
      name,
      artifact: artifact.chunks === undefined ? { digest: artifact.digest, bytes: artifact.bytes } : artifact,
      source: { digest: source.digest, entry: this.text(source.entry), language: source.language },
      parameters: this.#value(parameters),
      settings: this.#value(settings),
      tests: tests.length === 0 ? this.#value(tests) : tests,
      provenance: this.#value(provenance),
    }
  }

  text(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    if (text.length > TEXT_MAX) return text
    if (this.#texts.size >= KINDS_MAX) this.#texts.clear()
    this.#texts.set(text, text)
    return text
  }

  #value<T extends object>(value: T): T {
    const before = this.#asked.get(value)
    if (before !== undefined) return before as T
    const key = JSON.stringify(value)
    let known = this.#values.get(key)
    if (known === undefined) {
      if (this.#values.size >= KINDS_MAX) this.#values.clear()
      this.#values.set(key, (known = value))
    }
    this.#asked.set(value, known)
    return known as T
  }
}
