/** Longest token that is looked at; access refuses longer grants long before. */
const TOKEN_CHARS_MAX = 8192

/** The credentials of `Authorization: Bearer …`; `undefined` for every other scheme. */
export function bearerOf(authorization: string): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1]
}

/**
 * Whether a bearer token is the platform's own, by its form alone: a compact JWT (RFC 7519) with `alg` EdDSA and our audience.
 * An expired or forged one counts too: it must not reach a function, and its sender should hear what is wrong with it.
 */
export function isPlatformToken(token: string, audience: string): boolean {
  if (token.length > TOKEN_CHARS_MAX) return false
  const parts = token.split('.')
  if (parts.length !== 3) return false
  const claimed = objectOf(parts[1] as string)?.['aud']
  return objectOf(parts[0] as string)?.['alg'] === 'EdDSA' && (Array.isArray(claimed) ? claimed.includes(audience) : claimed === audience)
}

function objectOf(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
