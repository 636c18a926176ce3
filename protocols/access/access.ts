/**
 * Callers' tokens: compact EdDSA JWTs (RFC 7519, RFC 8037) signed by a person's key or the universe's root, checkable on any node from the ledger alone.
 * The one address of `jose`.
 */
import { randomBytes } from 'node:crypto'
import { decodeJwt, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { dropOldest } from '#protocols/bounded'
import { OsirisError } from '#protocols/errors'
import type { Caller, Invocation } from '#protocols/invocation'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import { type Callee, type CallingFunction, namesCallee } from './calling.ts'
import { type Identity, keySchema, publicKeyOf } from './identity.ts'
import { allows, ANONYMOUS, CAPABILITIES, type Capability, type Grant, narrowed, type Principal } from './policy.ts'
import { universeId } from './universe.ts'

/** Verified tokens kept in memory; the oldest goes first. Bounds what a flood of distinct tokens can cost. */
const CACHE_MAX = 1024
/** How long what an issuer holds is believed without asking again: bounds how late a revocation is, where its news are lost. */
const FRESH_MS = 3000

/** What the ledger says of the keys that sign tokens. */
export interface Issuers {
  /** What a key holds now (the root everything, until another took over from it), and gives by the token with this id; empty for a key that nobody gave anything, and for a token that was revoked. Rejects with `unavailable` where nobody can be asked. */
  grantsOf(key: string, token?: string): MaybePromise<readonly Grant[]>
}

interface Verified {
  principal: Principal
  expiresAtMs: number
  /** Until when, on the monotonic clock, its issuer is not asked about. */
  freshUntil: number
}

/** On the monotonic clock. */
interface Held {
  grants: readonly Grant[]
  freshUntil: number
}

/** A function's version as the ledger has it; throws or rejects with `not_found`. */
export type VersionSource = (namespace: string, name: string, version: string) => MaybePromise<CallingFunction>

const claimsSchema = z.object({
  /** The key that signed it; absent: the root. */
  iss: keySchema.optional(),
  /** Names it for whoever revokes it. */
  jti: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  sub: z.string().min(1).max(256),
  exp: z.number(),
  grants: z.array(z.object({ can: z.array(z.enum(CAPABILITIES)).max(8), namespaces: z.array(z.string().max(64)).max(64) })).max(64),
})

/** Which token it is, for whoever revokes it: not verified. `undefined` for what is none, or has no id. */
export function tokenNameOf(token: string): { issuer: string; id: string } | undefined {
  try {
    const { iss, jti } = claimsSchema.parse(decodeJwt(token))
    return iss === undefined || jti === undefined ? undefined : { issuer: iss, id: jti }
  } catch {
    return undefined
  }
}

/** When it ends, in milliseconds since the epoch, for whoever has verified it. `undefined` for what is none. */
export function tokenEndOf(token: string): number | undefined {
  try {
    return claimsSchema.parse(decodeJwt(token)).exp * 1000
  } catch {
    return undefined
  }
}

/** Signs a token as the root. `expiresAtMs` is wall-clock milliseconds. */
export function issueToken(root: Identity, subject: string, grants: Grant[], expiresAtMs: number): Promise<string> {
  return signToken(root, universeId({ root: root.id }), subject, grants, expiresAtMs)
}

/** Signs a token as a person, for one universe (`universeId`). It gives what `grants` and the ledger's grants to this key both allow, at the time it is used. */
export function issueTokenBy(issuer: Identity, universe: string, subject: string, grants: Grant[], expiresAtMs: number): Promise<string> {
  return signToken(issuer, universe, subject, grants, expiresAtMs)
}

function signToken(issuer: Identity, universe: string, subject: string, grants: Grant[], expiresAtMs: number): Promise<string> {
  return new SignJWT({ grants })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setIssuer(issuer.id)
    .setJti(randomBytes(16).toString('hex'))
    .setSubject(subject)
    .setAudience(universe)
    .setExpirationTime(Math.floor(expiresAtMs / 1000))
    .sign(issuer.privateKey)
}

/** Judges callers on this node. */
export class Access {
  readonly #audience: string
  readonly #root: string
  readonly #clock: Clock
  readonly #verified = new Map<string, Verified>()
  /** What keys hold that had functions published. */
  readonly #held = new Map<string, Held>()
  #issuers: Issuers | undefined
  /** The first root holds nothing any more, as was heard last. */
  #rootEnded = false

  constructor(init: { root: string; clock: Clock }) {
    this.#audience = universeId(init)
    this.#root = init.root
    this.#clock = init.clock
  }

  /** From now on tokens are judged by what their issuers hold; before, only the first root's are taken. */
  follow(issuers: Issuers): void {
    this.#issuers = issuers
  }

  /** What issuers hold has changed: they are asked about again. */
  reconsider(): void {
    for (const each of this.#verified.values()) each.freshUntil = 0
    this.#held.clear()
  }

  /** The principal behind a caller; at once when its token was seen before. Rejects with `unauthenticated` for a token that is wrong, expired or of another universe. */
  principalOf(caller: Caller): MaybePromise<Principal> {
    if (caller.token === undefined) return ANONYMOUS
    const known = this.#known(caller.token)
    if (known !== undefined) return known.principal
    return this.#verify(caller.token)
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
    const known = this.#known(caller.token)
    if (known !== undefined) return allows(known.principal, 'invoke', namespace)
    return this.require(caller, 'invoke', namespace).then(
      () => true,
      () => false,
    )
  }

  /**
   * The same for a call that may come from a function (`calling.ts`): its caller may invoke there, or it may itself. At once as `requireInvoke`. Rejects with
   * what `versionOf` rejects with, but for `not_found`.
   */
  requireCall(
    { caller, path, by }: Pick<Invocation, 'caller' | 'path' | 'by'>,
    callee: Callee,
    isPublic: boolean,
    versionOf: VersionSource,
  ): MaybePromise<void> {
    const title = path?.at(-1)
    if (isPublic || by === undefined || title === undefined) return this.requireInvoke(caller, callee.namespace, isPublic)
    const may = this.mayInvoke(caller, callee.namespace)
    if (may === true) return
    return this.#requireFunction(may, title, by, callee, versionOf)
  }

  async #requireFunction(mayCaller: MaybePromise<boolean>, title: string, version: string, callee: Callee, versionOf: VersionSource) {
    if (await mayCaller) return
    const [namespace = '', name = ''] = title.split('/')
    const by = await found(() => versionOf(namespace, name, version))
    const act = `Cannot call "${callee.namespace}/${callee.name}" for "${title.slice(0, 127)}"`
    if (by === undefined) throw new OsirisError('forbidden', `${act}: it has no such version`)
    if (!namesCallee(by, callee)) throw new OsirisError('forbidden', `${act}: it does not name it under "calls"`)
    if (namespace === callee.namespace) return
    const grants = by.asker === undefined ? [] : await this.#heldNow(by.asker)
    if (allows({ subject: title, grants }, 'invoke', callee.namespace)) return
    const state = `neither its caller nor the key that had it published may invoke in namespace "${callee.namespace}"`
    throw new OsirisError('forbidden', `${act}: ${state}`)
  }

  async #heldNow(key: string): Promise<readonly Grant[]> {
    const now = this.#clock.monotonic()
    const known = this.#held.get(key)
    if (known !== undefined && known.freshUntil > now) return known.grants
    const grants = (await this.#issuers?.grantsOf(key)) ?? []
    dropOldest(this.#held, CACHE_MAX)
    this.#held.set(key, { grants, freshUntil: now + FRESH_MS })
    return grants
  }

  /** What was verified before, while that still holds. */
  #known(token: string): Verified | undefined {
    const known = this.#verified.get(token)
    if (known === undefined || known.expiresAtMs <= this.#clock.now()) return undefined
    return known.freshUntil > this.#clock.monotonic() ? known : undefined
  }

  async #verify(token: string): Promise<Principal> {
    const claims = await this.#claimsOf(token)
    const issuer = claims.iss ?? this.#root
    const freshUntil = this.#clock.monotonic() + FRESH_MS
    const grants = narrowed(claims.grants, await this.#heldBy(issuer, claims.jti))
    const principal: Principal = { subject: claims.sub, issuer, grants }
    dropOldest(this.#verified, CACHE_MAX)
    this.#verified.set(token, { principal, expiresAtMs: claims.exp * 1000, freshUntil })
    return principal
  }

  async #claimsOf(token: string): Promise<z.infer<typeof claimsSchema>> {
    try {
      const { iss } = claimsSchema.parse(decodeJwt(token))
      const { payload } = await jwtVerify(token, publicKeyOf(iss ?? this.#root), {
        algorithms: ['EdDSA'],
        audience: this.#audience,
        currentDate: new Date(this.#clock.now()),
      })
      return claimsSchema.parse(payload)
    } catch (error) {
      this.#verified.delete(token)
      throw new OsirisError('unauthenticated', `Cannot accept the token: ${reasonOf(error)}`, { cause: error })
    }
  }

  async #heldBy(issuer: string, token: string | undefined): Promise<readonly Grant[]> {
    const held = issuer === this.#root ? await this.#heldByRoot(token) : ((await this.#issuers?.grantsOf(issuer, token)) ?? [])
    if (held.length > 0) return held
    throw new OsirisError(
      'unauthenticated',
      `Cannot accept the token: its issuer ${issuer.slice(0, 8)} holds no grant in this universe (never given, expired or revoked), or the token was revoked`,
    )
  }

  /** Where nobody can be asked, what was heard last counts: without the ledger a node knows no other authority than the root. */
  async #heldByRoot(token: string | undefined): Promise<readonly Grant[]> {
    if (this.#issuers === undefined) return EVERYTHING
    try {
      const held = await this.#issuers.grantsOf(this.#root, token)
      this.#rootEnded = held.length === 0 && (token === undefined || (await this.#issuers.grantsOf(this.#root)).length === 0)
      return held
    } catch (error) {
      if (this.#rootEnded) throw error
      return EVERYTHING
    }
  }
}

/** What the universe began with: the root holds all, until the ledger says that another key took over. */
const EVERYTHING: readonly Grant[] = Object.freeze([{ can: ['admin'], namespaces: ['*'] }])

async function found(get: () => MaybePromise<CallingFunction>): Promise<CallingFunction | undefined> {
  try {
    return await get()
  } catch (error) {
    if (error instanceof OsirisError && (error.code === 'not_found' || error.code === 'invalid_argument')) return undefined
    throw error
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
  if (code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return 'its signature is not by its issuer'
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED')
    return (error as { claim?: string }).claim === 'nbf' ? 'it is not good yet' : 'it is for another universe'
  return 'it is malformed'
}
