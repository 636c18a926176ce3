/** Decoded CBOR → plain JSON for people: bytes and links become hex, big numbers become text. */
export function plainJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plainJson)
  if (isLink(value)) return plainJson(value.bytes)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plainJson(each)]))
}

/** A CID, without loading its library: https://github.com/multiformats/js-multiformats. */
function isLink(value: object): value is { bytes: Uint8Array } {
  return 'asCID' in value && value.asCID === value
}
