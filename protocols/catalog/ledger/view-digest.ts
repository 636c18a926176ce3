/**
 * One digest over all functions, kept up as they change: function → one of 256 buckets → whole (a two-level Merkle tree, RFC 6962's idea
 * without its proofs), so that a change costs one bucket and not the whole view. Nothing is hashed before somebody asks.
 */
import { createHash } from 'node:crypto'
import { digestOf } from '#protocols/codec'
import { breathe, type Clock } from '#protocols/lifecycle'
import { compareText } from './entry.ts'
import { type FunctionState, functionKey } from './fold.ts'

const BUCKETS = 256
/** Functions hashed between two breaths of the event loop: less than 1 ms. */
const BREATH = 128

interface Bucket {
  /** Digest of each function. */
  rows: Map<string, string>
  digest: string | undefined
}

export class ViewDigest {
  readonly #buckets = Array.from({ length: BUCKETS }, (): Bucket => ({ rows: new Map(), digest: undefined }))
  /** Set since the last digest. */
  readonly #fresh = new Map<string, FunctionState>()
  #whole: string | undefined

  set(state: FunctionState): void {
    this.#fresh.set(functionKey(state.namespace, state.name), state)
    this.#whole = undefined
  }

  /** Hashes at most so many of the functions that changed; whether that was all. */
  catchUp(count: number): boolean {
    let left = count
    for (const [key, state] of this.#fresh) {
      if (left === 0) return false
      left -= 1
      this.#fresh.delete(key)
      this.#place(key, state)
    }
    return true
  }

  /** Hashes what changed, a little at a time, so that `value` need not do it all at once. */
  async settled(clock: Clock): Promise<void> {
    while (!this.catchUp(BREATH)) await breathe(clock)
  }

  /** 64 hex characters: of the functions, and of who holds what. */
  value(authority = ''): string {
    this.catchUp(Number.POSITIVE_INFINITY)
    this.#whole ??= hashAll(this.#buckets.map((bucket) => (bucket.digest ??= digestOfBucket(bucket))))
    return hashAll([this.#whole, authority])
  }

  #place(key: string, state: FunctionState): void {
    const bucket = this.#buckets[bucketOf(key)] as Bucket
    if (state.versions.length === 0) bucket.rows.delete(key)
    else bucket.rows.set(key, digestOfFunction(key, state))
    bucket.digest = undefined
  }
}

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): only spreads the work, proves nothing. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % BUCKETS
}

function digestOfBucket(bucket: Bucket): string {
  return hashAll([...bucket.rows].toSorted(([a], [b]) => compareText(a, b)).map(([, digest]) => digest))
}

/** Over JSON of lists, whose order is fixed here: three times as fast as CBOR, and as unambiguous. */
function digestOfFunction(key: string, state: FunctionState): string {
  const versions = state.versions.map((each) => [each.version, each.ordinal, each.publishedAt, each.publishedBy, each.author])
  const aliases = Object.keys(state.aliases)
    .toSorted(compareText)
    .map((alias) => [alias, state.aliases[alias]?.map((target) => [target.version, target.weight])])
  const claims = state.claims.map((each) => [each.route, each.since.hash])
  return digestOf(Buffer.from(JSON.stringify([key, state.retired, versions, aliases, claims])))
}

function hashAll(parts: string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
