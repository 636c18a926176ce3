/** The keys of one instance. An isolate holds handles; the material never enters it unless the key is extractable and asked for. */
import type { webcrypto } from 'node:crypto'
import type { WireKey } from '../runtime/subtle/vocabulary.ts'
import { Refused } from './check.ts'

/** Nobody tells when a function has forgotten a key: beyond this, the one used longest ago goes. One is about 1 KB, an RSA key 5. */
const KEYS_MAX = 1024

/** Over all instances of the process, so that a handle of one is nothing in another. */
let lastHandle = 0

export class Keys {
  readonly #keys = new Map<number, webcrypto.CryptoKey>()

  get size(): number {
    return this.#keys.size
  }

  add(key: webcrypto.CryptoKey): WireKey {
    const handle = ++lastHandle
    this.#keys.set(handle, key)
    const [oldest] = this.#keys.size > KEYS_MAX ? this.#keys.keys() : []
    if (oldest !== undefined) this.#keys.delete(oldest)
    return described(handle, key)
  }

  /** Throws InvalidAccessError for a handle that is not, or no longer, in this table. */
  get(handle: number | undefined): webcrypto.CryptoKey {
    const key = handle === undefined ? undefined : this.#keys.get(handle)
    if (key === undefined || handle === undefined)
      throw new Refused('InvalidAccessError', `The key is not here any more: of an instance's keys the last ${KEYS_MAX} in use are kept`)
    this.#keys.delete(handle)
    this.#keys.set(handle, key)
    return key
  }

  clear(): void {
    this.#keys.clear()
  }
}

function described(handle: number, { type, extractable, algorithm, usages }: webcrypto.CryptoKey): WireKey {
  const wire: Record<string, unknown> = { ...algorithm }
  const { publicExponent } = wire
  if (publicExponent instanceof Uint8Array) wire['publicExponent'] = [...publicExponent]
  return { handle, type, extractable, algorithm: wire, usages: [...usages] }
}
