/**
 * Callers' tokens: compact EdDSA JWTs (RFC 7519, RFC 8037) signed by the universe's root, checkable on any node without a server.
 * The one address of `jose`.
 */
import { jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import { type Identity, publicKeyOf } from './identity.ts'
import { allows, ANONYMOUS, CAPABILITIES, type Capability, type Grant, type Principal } from './policy.ts'
import { universeId } from './universe.ts'

/** Verified tokens kept in memory; the oldest goes first. Bounds what a flood of distinct tokens can cost. */
const CACHE_MAX = 1024

const claimsSchema = z.object({
  sub: z.string().min(1).max(256),
  exp: z.number(),
  grants: z.array(z.object({ can: z.array(z.enum(CAPABILITIES)).max(8), namespaces: z.array(z.string().max(64)).max(64) })).max(64),
})

/** Signs a token as the root. `expiresAtMs` is wall-clock milliseconds. */
export function issueToken(root: Identity, subject: string, grants: Grant[], expiresAtMs: number): Promise<string> {
  return new SignJWT({ grants })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setSubject(subject)
    .setAudience(universeId({ root: root.id }))
    .setExpirationTime(Math.floor(expiresAtMs / 1000))
    .sign(root.privateKey)
}

/** Judges callers on this node. */
export class Access {
  readonly #audience: string
  readonly #rootKey
  readonly #clock: Clock
  readonly #verified = new Map<string, { principal: Principal; expiresAtMs: number }>()

  constructor(init: { root: string; clock: Clock }) {
    this.#audience = universeId(init)
    this.#rootKey = publicKeyOf(init.root)
    this.#clock = init.clock
  }

  /** The principal behind a caller; at once when its token was seen before. Rejects with `unauthenticated` for a token that is wrong, expired or of another universe. */
  principalOf(caller: Caller): MaybePromise<Principal> {
    if (caller.token === undefined) return ANONYMOUS
    const known = this.#verified.get(caller.token)
    if (known === undefined) return this.#verify(caller.token)
    if (known.expiresAtMs > this.#clock.now()) return known.principal
    this.#verified.delete(caller.token)
    return Promise.reject(new OsirisError('unauthenticated', 'Cannot accept the token: it has expired'))
  }

  /** Throws `unauthenticated` (no token) or `forbidden` unless the caller may do `action` in `namespace`. */
  async require(caller: Caller, action: Capability, namespace: string): Promise<Principal> {
    const principal = await this.principalOf(caller)
    requireAllowed(principal, action, namespace)
    return principal
  }

  /** Whether the caller may invoke: at once for public functions and known tokens, so that the call path stays synchronous. Throws or rejects with `unauthenticated` or `forbidden`. */
  requireInvoke(caller: Caller, namespace: string, isPublic: boolean): MaybePromise<void> {
    if (isPublic) return
    const principal = this.principalOf(caller)
    if (principal instanceof Promise) return principal.then((each) => requireAllowed(each, 'invoke', namespace))
    requireAllowed(principal, 'invoke', namespace)
  }

  /** Whether the caller holds a grant to invoke there, whatever is public. At once for callers without a token and known tokens; never rejects. */
  mayInvoke(caller: Caller, namespace: string): MaybePromise<boolean> {
    if (caller.token === undefined) return false
    const known = this.#verified.get(caller.token)
    if (known !== undefined && known.expiresAtMs > this.#clock.now()) return allows(known.principal, 'invoke', namespace)
    return this.require(caller, 'invoke', namespace).then(
      () => true,
      () => false,
    )
  }

  async #verify(token: string): Promise<Principal> {
    try {
      const { payload } = await jwtVerify(token, this.#rootKey, {
        algorithms: ['EdDSA'],
        audience: this.#audience,
        currentDate: new Date(this.#clock.now()),
      })
      const claims = claimsSchema.parse(payload)
      const principal: Principal = { subject: claims.sub, grants: claims.grants }
      if (this.#verified.size >= CACHE_MAX) this.#verified.delete(this.#verified.keys().next().value as string)
      this.#verified.set(token, { principal, expiresAtMs: claims.exp * 1000 })
      return principal
    } catch (error) {
      throw new OsirisError('unauthenticated', `Cannot accept the token: ${reasonOf(error)}`, { cause: error })
    }
  }
}

function requireAllowed(principal: Principal, action: Capability, namespace: string): void {
  if (allows(principal, action, namespace)) return
  if (principal === ANONYMOUS) throw new OsirisError('unauthenticated', `Cannot ${action} in namespace "${namespace}": no token was sent`)
  throw new OsirisError('forbidden', `Cannot ${action} in namespace "${namespace}": "${principal.subject}" has no such grant`)
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: string }).code
  if (code === 'ERR_JWT_EXPIRED') return 'it has expired'
  if (code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return 'its signature is not by the root of this universe'
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED') return 'it is for another universe'
  return 'it is malformed'
}
