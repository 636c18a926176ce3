/**
 * What a catalog says in the DHT of one function, so that nodes without the ledger can go on calling it while no catalog answers:
 * `[payload, signature, basis]` in deterministic dag-cbor. The payload is the bytes of the statement below, the signature is Ed25519 (RFC 8032) by the
 * signer over `osiris/head/1`, a zero byte and the payload, the basis is a list: the bytes of the entries by which the root of the universe let the signer in as a
 * catalog that may deploy in the namespace (`head-basis.ts`). So it proves itself to whoever knows the universe, and to nobody else.
 */
import { z } from 'zod'
import { allows, type Identity, keySchema, publicKeyOf, universeId, verifySignature } from '#protocols/access'
import { dropOldest } from '#protocols/bounded'
import { decodeCanonical, digestOf, encode, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { type FunctionRef, LIVE } from '#protocols/function'
import type { Random } from '#protocols/lifecycle'
import { digestSchema, manifestSchema, nameSchema, versionOf } from '#protocols/manifest'
import { pickTarget } from '#protocols/steering'
import type { FunctionRecord } from '../catalog.ts'
import { BASIS_MAX, basisIn } from './head-basis.ts'
import { ASKED_BY_MAX } from '../ledger/asker.ts'
import { targetsSchema } from '../ledger/bodies.ts'
import { type Entry, ENTRY_DEPTH_MAX, openEntry } from '../ledger/entry.ts'
import { functionKey, type FunctionState, type Version } from '../ledger/fold.ts'
import { COUNTER_MAX, DRIFT_MS_MAX } from '../ledger/hlc.ts'

/** The kind of these records in the DHT. */
export const HEADS = 'heads'
/** What the network takes. */
export const HEAD_BYTES_MAX = 72 * 1024
/** Outlasts a night without catalogs; after it, what was said of a function is forgotten everywhere. */
export const HEAD_VALID_MS = 24 * 3_600_000
const SHOWN_MAX = 16
const ALIASES_MAX = 64
const ADMISSIONS_MAX = 64
const DOMAIN = Buffer.from('osiris/head/1\0')

const timeSchema = z.int().min(0)
const shownSchema = z.strictObject({
  ordinal: z.int().min(1),
  publishedAt: timeSchema,
  publishedBy: z.string().max(ASKED_BY_MAX),
  author: keySchema,
  manifest: manifestSchema,
})
const statementSchema = z.strictObject({
  /** `universeId`. */
  universe: z.string().regex(/^[0-9a-f]{16}$/),
  /** Public key of the catalog that says so. */
  signer: keySchema,
  namespace: nameSchema,
  name: nameSchema,
  /** The last entry with an effect on the function: its place in the total order of the ledger. */
  place: z.strictObject({
    wallMs: timeSchema,
    counter: z.int().min(0).max(COUNTER_MAX),
    author: keySchema,
    seq: z.int().min(1),
    hash: digestSchema,
  }),
  versions: z.int().min(0),
  aliases: z.record(nameSchema, targetsSchema).refine((aliases) => Object.keys(aliases).length <= ALIASES_MAX),
  /** The versions that `live` means; none: the function was retired. */
  shown: z.array(shownSchema).max(SHOWN_MAX),
  atMs: timeSchema,
  expiresAtMs: timeSchema,
})
export type Head = z.infer<typeof statementSchema>

/** Where a function's head lies: 64 hex characters. */
export function headKeyOf(universe: string, namespace: string, name: string): string {
  return digestOf(encode(['osiris/head/1', universe, functionKey(namespace, name)]))
}

/** What a catalog says of a function now. */
export function headOf(state: FunctionState, signer: string, universe: string, atMs: number): Head {
  const { namespace, name, last, versions, aliases, retired } = state
  const live = retired ? [] : (aliases[LIVE] ?? [])
  const shown = live.flatMap(({ version }) => versions.filter((each) => each.version === version).map(shownOf))
  const { wallMs, counter, author, seq, hash } = last
  return {
    ...{ universe, signer, namespace, name },
    place: { wallMs, counter, author, seq, hash },
    versions: versions.length,
    aliases: shown.length === 0 ? {} : { ...aliases },
    ...{ shown, atMs, expiresAtMs: atMs + HEAD_VALID_MS },
  }
}

export function signHead(identity: Identity, head: Head, basis: readonly Uint8Array[]): Uint8Array {
  const payload = encode(head)
  return encode([payload, new Uint8Array(identity.sign(signed(payload))), [...basis]])
}

/** The record that a reference means, as far as the head shows it. */
export function recordIn(head: Head, ref: FunctionRef, random: Random): FunctionRecord | undefined {
  const selector = ref.selector ?? LIVE
  const targets = Object.hasOwn(head.aliases, selector) ? head.aliases[selector] : undefined
  const wanted = targets === undefined ? selector : pickTarget(targets, random)
  const matching = head.shown
    .map((each) => ({ ...each, version: versionOf(each.manifest) }))
    .filter(({ version, ordinal }) => version === wanted || `v${ordinal}` === wanted || (wanted.length >= 8 && version.startsWith(wanted)))
  const [found] = matching
  if (found === undefined || matching.length > 1) return undefined
  const { namespace, name, aliases, versions } = head
  return Object.freeze({ namespace, name, ...found, aliases, versions })
}

export interface HeadJudgeInit {
  universe: { root: string }
  now: () => number
  /** Whether a signer is known to be one no more. */
  isOut?: (signer: string) => boolean
}

/** Judges hostile bytes; the same verdict on every node at the same time, save for what a node knows of signers that were shut out. */
export class HeadJudge {
  readonly #init: HeadJudgeInit
  readonly #universe: string
  /** Opened before, by digest. */
  readonly #admissions = new Map<string, Entry>()

  constructor(init: HeadJudgeInit) {
    this.#init = init
    this.#universe = universeId(init.universe)
  }

  /** The head under a key. Throws `invalid_argument` for anything that must not be used. */
  open(key: string, bytes: Uint8Array): Head {
    try {
      return this.#open(key, bytes)
    } catch (error) {
      throw OsirisError.from(error, 'Cannot use the record of a function', 'invalid_argument')
    }
  }

  /** As `open`, for the DHT: how it ranks, by the total order of the ledger, then by when it was said. */
  rank(key: string, bytes: Uint8Array): string {
    const { place, atMs } = this.open(key, bytes)
    return [digits(place.wallMs), digits(place.counter), place.author, digits(place.seq), place.hash, digits(atMs)].join()
  }

  #open(key: string, bytes: Uint8Array): Head {
    if (bytes.length > HEAD_BYTES_MAX) throw new Error(`it has ${bytes.length} bytes`)
    const [payload, signature, basis] = threeOf(decodeCanonical(bytes, 2))
    const head = parse(statementSchema, decodeCanonical(payload, ENTRY_DEPTH_MAX), 'its statement')
    if (head.universe !== this.#universe) throw new Error('it is of another universe')
    if (headKeyOf(head.universe, head.namespace, head.name) !== key) throw new Error('it is of another function')
    requireTimely(head, this.#init.now())
    requireWhole(head)
    this.#requireAdmitted(head, basis)
    if (!verifySignature(publicKeyOf(head.signer), signed(payload), signature)) throw new Error('its signature is not by its signer')
    return head
  }

  #requireAdmitted({ signer, namespace }: Head, chain: readonly Uint8Array[]): void {
    const entries = chain.map((bytes) => this.#entryIn(bytes))
    if (entries.some(({ universe }) => universe !== this.#universe)) throw new Error('the root did not let its signer in')
    const basis = basisIn(entries, this.#init.universe.root)
    if (basis.signer !== signer) throw new Error('the root did not let its signer in')
    if (basis.expiresAtMs !== null && basis.expiresAtMs <= this.#init.now()) throw new Error('the admission of its signer has expired')
    const principal = { subject: signer, grants: basis.grants }
    if (!basis.roles.includes('catalog') || !allows(principal, 'deploy', namespace))
      throw new Error('its signer has no say in the namespace')
    if (this.#init.isOut?.(signer) === true) throw new Error('its signer was shut out')
  }

  #entryIn(bytes: Uint8Array): Entry {
    const digest = digestOf(bytes)
    const known = this.#admissions.get(digest)
    if (known !== undefined) return known
    const entry = openEntry(bytes)
    dropOldest(this.#admissions, ADMISSIONS_MAX)
    this.#admissions.set(digest, entry)
    return entry
  }
}

function shownOf({ ordinal, publishedAt, publishedBy, author, manifest }: Version): Head['shown'][number] {
  return { ordinal, publishedAt, publishedBy, author, manifest }
}

function requireTimely({ atMs, expiresAtMs, place }: Head, nowMs: number): void {
  if (Math.max(atMs, place.wallMs) > nowMs + DRIFT_MS_MAX) throw new Error('it comes from the future')
  if (expiresAtMs <= nowMs) throw new Error('it has expired')
  if (expiresAtMs > atMs + HEAD_VALID_MS) throw new Error('it claims to count for longer than records do')
}

/** Nothing of another function stands in it, and `live` means what it shows. */
function requireWhole({ namespace, name, shown, aliases }: Head): void {
  if (shown.some(({ manifest }) => manifest.namespace !== namespace || manifest.name !== name)) throw new Error('it shows another function')
  const versions = new Set(shown.map(({ manifest }) => versionOf(manifest)))
  const live = aliases[LIVE] ?? []
  if (versions.size !== shown.length || live.length !== shown.length || !live.every(({ version }) => versions.has(version)))
    throw new Error('it does not show what is live')
}

function threeOf(parts: unknown): [Uint8Array, Uint8Array, Uint8Array[]] {
  const [payload, signature, basis] = Array.isArray(parts) && parts.length === 3 ? (parts as unknown[]) : []
  const isBasis = Array.isArray(basis) && basis.length <= BASIS_MAX && basis.every((each) => each instanceof Uint8Array)
  if (payload instanceof Uint8Array && signature instanceof Uint8Array && isBasis) return [payload, signature, basis]
  throw new Error('it is not a statement, a signature and what shows who signed')
}

function digits(value: number): string {
  return String(value).padStart(16, '0')
}

function signed(payload: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, payload])
}
