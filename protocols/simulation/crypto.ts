/**
 * Signatures in a run are real. Two things about them are arranged, for this process: WebCrypto answers on another thread, whenever that
 * thread comes to it, so the one method that is used (verifying tokens) answers here and now; and a signature made or judged before is not computed
 * again, because it is the same few nodes judging the same entry. Verifying and parsing a key are pure functions of their arguments.
 */
import crypto, { KeyObject } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const KNOWN_MAX = 20_000

/** Arranges it; returns the way back. */
export function arrangeCrypto(): () => void {
  const { sign, verify, createPublicKey } = crypto
  const { subtle } = crypto.webcrypto
  const kept = Object.getOwnPropertyDescriptor(subtle, 'verify')
  const known = new Map<string, boolean>()
  const remembered = (algorithm: null, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean => {
    const name = nameOf(key, data, signature)
    let good = known.get(name)
    if (good === undefined) remember(name, (good = verify(algorithm, data, key, signature)))
    return good
  }
  const remember = (name: string, good: boolean) => {
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(name, good)
  }
  const signing = (algorithm: null, data: Uint8Array, key: KeyObject): Buffer => {
    const signature = sign(algorithm, data, key)
    remember(nameOf(key, data, signature), true)
    return signature
  }
  const keys = new Map<string, KeyObject>()
  const parsed: typeof createPublicKey = (input) => {
    if (!isDer(input)) return createPublicKey(input)
    const name = input.key.toString('latin1')
    let key = keys.get(name)
    if (key === undefined) keys.set(name, (key = createPublicKey(input)))
    return key
  }
  Object.assign(crypto, { sign: signing, verify: remembered, createPublicKey: parsed })
  Object.assign(subtle, {
    verify: async (_: unknown, key: CryptoKey, signature: Uint8Array, data: Uint8Array) =>
      remembered(null, data, KeyObject.from(key as never), signature),
  })
  syncBuiltinESMExports()
  return () => {
    Object.assign(crypto, { sign, verify, createPublicKey })
    if (kept === undefined) Reflect.deleteProperty(subtle, 'verify')
    else Object.defineProperty(subtle, 'verify', kept)
    syncBuiltinESMExports()
  }
}

function isDer(input: unknown): input is { key: Buffer; format: 'der'; type: 'spki' } {
  return (
    typeof input === 'object' && input !== null && 'type' in input && input.type === 'spki' && 'key' in input && Buffer.isBuffer(input.key)
  )
}

const names = new WeakMap<KeyObject, string>()
function nameOf(key: KeyObject, data: Uint8Array, signature: Uint8Array): string {
  let name = names.get(key)
  if (name === undefined) {
    const open = key.type === 'private' ? crypto.createPublicKey(key) : key
    names.set(key, (name = open.export({ format: 'der', type: 'spki' }).toString('latin1')))
  }
  const digest = crypto.hash('sha256', data, 'base64')
  return `${name}${digest}${Buffer.from(signature).toString('latin1')}`
}
