/** CryptoKey: what a function may know of a key. The key itself is outside; its handle is in a private field, where no code but this reads it. */
import type { WireKey } from './vocabulary.ts'

export interface KeyKind {
  CryptoKey: new () => object
  make(wire: WireKey): object
  /** Throws a TypeError for what is no CryptoKey. */
  handleOf(value: unknown): number
}

const NativeTypeError = TypeError
const NativeUint8Array = Uint8Array

export function createKeyKind(): KeyKind {
  const secret = {}
  let handleOf: KeyKind['handleOf'] = () => 0
  class CryptoKey {
    readonly #wire: WireKey

    constructor(given?: unknown, wire?: WireKey) {
      if (given !== secret || wire === undefined) throw new NativeTypeError('Illegal constructor')
      this.#wire = wire
    }

    static {
      handleOf = (value) => {
        if (typeof value !== 'object' || value === null || !(#wire in value)) throw new NativeTypeError('The key is not a CryptoKey')
        return value.#wire.handle
      }
    }

    get type(): string {
      return this.#wire.type
    }

    get extractable(): boolean {
      return this.#wire.extractable
    }

    get algorithm(): object {
      return this.#wire.algorithm
    }

    get usages(): string[] {
      return this.#wire.usages
    }

    get [Symbol.toStringTag](): string {
      return 'CryptoKey'
    }
  }
  return { CryptoKey, make: (wire) => new CryptoKey(secret, restored(wire)), handleOf }
}

function restored(wire: WireKey): WireKey {
  const { publicExponent } = wire.algorithm
  if (publicExponent !== undefined) wire.algorithm['publicExponent'] = new NativeUint8Array(publicExponent as number[])
  return wire
}
