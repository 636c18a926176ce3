/**
 * One digest over all functions, kept up as they change: function → one of 256 buckets → whole (a two-level Merkle tree, RFC 6962's idea
 * without its proofs), so that a change costs one bucket and not the whole view.
 */
import { createHash } from 'node:crypto'
import { digestOf, encode } from '#protocols/codec'
import { compareText } from './entry.ts'
import { type FunctionState, functionKey } from './fold.ts'

const BUCKETS = 256

export class ViewDigest {
  readonly #buckets = Array.from({ length: BUCKETS }, () => new Map<string, FunctionState>())
  readonly #digests: (string | undefined)[] = Array.from({ length: BUCKETS }, () => undefined)
  readonly #functions = new WeakMap<FunctionState, string>()
  #whole: string | undefined

  set(state: FunctionState): void {
    const key = functionKey(state.namespace, state.name)
    const bucket = Number.parseInt(digestOf(Buffer.from(key)).slice(0, 2), 16)
    if (state.versions.length === 0) this.#buckets[bucket]?.delete(key)
    else this.#buckets[bucket]?.set(key, state)
    this.#digests[bucket] = undefined
    this.#whole = undefined
  }

  /** 64 hex characters. */
  value(): string {
    this.#whole ??= hashAll(this.#buckets.map((bucket, at) => (this.#digests[at] ??= this.#bucketDigest(bucket))))
    return this.#whole
  }

  #bucketDigest(bucket: Map<string, FunctionState>): string {
    const rows = [...bucket].toSorted(([a], [b]) => compareText(a, b))
    return hashAll(rows.map(([, state]) => this.#functionDigest(state)))
  }

  #functionDigest(state: FunctionState): string {
    const known = this.#functions.get(state)
    if (known !== undefined) return known
    const { namespace, name, aliases, retired } = state
    const versions = state.versions.map((each) => [each.version, each.ordinal, each.publishedAt, each.publishedBy, each.author])
    const digest = digestOf(encode({ namespace, name, aliases, retired, versions }))
    this.#functions.set(state, digest)
    return digest
  }
}

function hashAll(parts: string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
