/**
 * What a catalog says of an entry that it has: a signed statement that anybody can check, offline and years later.
 * It is `[payload, signature]` in deterministic dag-cbor; the payload is the bytes of the statement below, and the signature is Ed25519
 * (RFC 8032) by the holder over `osiris/receipt/1`, a zero byte and the payload.
 */
import { z } from 'zod'
import { type Identity, keySchema, publicKeyOf, verifySignature } from '#protocols/access'
import { decodeCanonical, encode } from '#protocols/codec'
import { digestSchema } from '#protocols/manifest'

/** Keys, a hash, two numbers and a signature come to about 400. */
export const RECEIPT_BYTES_MAX = 512
/** Kept of one entry, and taken from one message about it: more than ever count. */
export const RECEIPTS_MAX = 8
const DOMAIN = Buffer.from('osiris/receipt/1\0')

const statementSchema = z.strictObject({
  /** `universeId`. */
  universe: z.string().regex(/^[0-9a-f]{16}$/),
  /** Public key of the catalog that says so. */
  holder: keySchema,
  /** The entry: whose feed, which place in it, and the hash of its bytes. */
  author: keySchema,
  seq: z.int().min(1),
  hash: digestSchema,
  /** When it was on the holder's disk, by its clock; milliseconds since the epoch. */
  atMs: z.int().min(0),
})

/** "I have this entry, all before it in its feed, and the artifact it publishes (if it does) on my disk, synced." */
export type Statement = z.infer<typeof statementSchema>

export interface SignedReceipt extends Statement {
  /** 128 hex characters. */
  signature: string
  /** As it travels and lies on disk. */
  bytes: Uint8Array
}

/** What a receipt must be of. */
export type Receipted = Pick<Statement, 'universe' | 'author' | 'seq' | 'hash'>

/** Why a receipt was not taken. */
export type ReceiptFault = 'malformed' | 'signature' | 'entry' | 'holder'

export class ReceiptRefusal extends Error {
  readonly fault: ReceiptFault
  constructor(fault: ReceiptFault, message: string) {
    super(message)
    this.name = 'ReceiptRefusal'
    this.fault = fault
  }
}

export function signReceipt(identity: Identity, of: Receipted, atMs: number): SignedReceipt {
  const { universe, author, seq, hash } = of
  const statement: Statement = { universe, holder: identity.id, author, seq, hash, atMs }
  const payload = encode(statement)
  const signature = new Uint8Array(identity.sign(signed(payload)))
  return { ...statement, signature: Buffer.from(signature).toString('hex'), bytes: encode([payload, signature]) }
}

/** The receipt in hostile bytes: well-formed, canonical, signed by its holder. Whether the holder counts is judged elsewhere. Throws `ReceiptRefusal`. */
export function openReceipt(bytes: Uint8Array): SignedReceipt {
  const { receipt, payload, signature } = read(bytes)
  if (!verifySignature(publicKeyOf(receipt.holder), signed(payload), signature)) {
    throw new ReceiptRefusal('signature', 'its signature is not by its holder')
  }
  return receipt
}

/** The same for bytes whose signature was judged before they were stored: form only. Throws `ReceiptRefusal`. */
export function reopenReceipt(bytes: Uint8Array): SignedReceipt {
  return read(bytes).receipt
}

/** Throws `ReceiptRefusal` unless the receipt is of this very entry. */
export function requireOf(receipt: Statement, of: Receipted): void {
  const same = receipt.universe === of.universe && receipt.author === of.author && receipt.seq === of.seq && receipt.hash === of.hash
  if (!same) throw new ReceiptRefusal('entry', 'it is of another entry')
}

/** How many receipts make an entry committed: of a majority of the catalog members, of three at most (DESIGN 5). */
export function majorityOf(members: number): number {
  return Math.min(3, Math.floor(members / 2) + 1)
}

function read(bytes: Uint8Array): { receipt: SignedReceipt; payload: Uint8Array; signature: Uint8Array } {
  if (bytes.length > RECEIPT_BYTES_MAX)
    throw new ReceiptRefusal('malformed', `it has ${bytes.length} bytes, at most ${RECEIPT_BYTES_MAX} are taken`)
  const parts = tryDecode(bytes)
  const [payload, signature] = Array.isArray(parts) && parts.length === 2 ? (parts as unknown[]) : []
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new ReceiptRefusal('malformed', 'it is not a pair of statement and signature')
  }
  const result = statementSchema.safeParse(tryDecode(payload))
  if (!result.success) throw new ReceiptRefusal('malformed', `its statement is wrong at "${result.error.issues[0]?.path.join('.') ?? ''}"`)
  return { receipt: { ...result.data, signature: Buffer.from(signature).toString('hex'), bytes }, payload, signature }
}

function tryDecode(bytes: Uint8Array): unknown {
  try {
    // Neither has more than one level.
    return decodeCanonical(bytes, 1)
  } catch (error) {
    throw new ReceiptRefusal('malformed', (error as Error).message)
  }
}

function signed(payload: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, payload])
}
