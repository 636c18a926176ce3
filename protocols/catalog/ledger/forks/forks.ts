/**
 * Proof that an author wrote two entries with one seq: both of them, as bytes, in deterministic dag-cbor `['osiris/fork/1', entry, entry]`, the
 * one with the smaller hash first. It convinces whoever has it and the universe's id, offline and without trust in the bearer: both entries carry
 * the author's own signature, and an honest author signs one entry per seq and no other. The same pair makes the same bytes everywhere.
 */
import { decodeCanonical, encode } from '#protocols/codec'
import { compareText, type Entry, ENTRY_BYTES_MAX, openEntry, Refusal } from '../entry.ts'

const FORMAT = 'osiris/fork/1'
/** Two entries, and what holds them together. */
export const PROOF_BYTES_MAX = 2 * ENTRY_BYTES_MAX + 32
/** What a list of three that begins with the format's name begins with; an entry is a list of two. */
const PREFIX = encode([FORMAT, null, null]).subarray(0, -2)

export interface ForkProof {
  author: string
  /** From this seq on, nothing the author wrote has an effect anywhere. */
  seq: number
  /** Ascending. */
  hashes: readonly [string, string]
  /** In the same order. */
  entries: readonly [Uint8Array, Uint8Array]
  bytes: Uint8Array
}

/** The proof that two entries make. Throws `Refusal` when they make none. */
export function proveFork(one: Entry, other: Entry): ForkProof {
  const [first, second] = compareText(one.hash, other.hash) < 0 ? [one, other] : [other, one]
  return proofOf(first, second, encode([FORMAT, first.bytes, second.bytes]))
}

/** The proof in hostile bytes, verified. Throws `Refusal`. Costs two signatures. */
export function openProof(bytes: Uint8Array, universe: string): ForkProof {
  if (bytes.length > PROOF_BYTES_MAX) {
    throw new Refusal('oversized', `the proof has ${bytes.length} bytes, at most ${PROOF_BYTES_MAX} are taken`)
  }
  const [first, second] = partsOf(bytes).map(openEntry) as [Entry, Entry]
  if (first.universe !== universe || second.universe !== universe) throw new Refusal('universe', 'the proof is of another universe')
  if (compareText(first.hash, second.hash) > 0) throw new Refusal('malformed', "the proof's entries are not in order")
  return proofOf(first, second, bytes)
}

/** Whether bytes that came by gossip claim to be a proof rather than an entry. */
export function claimsFork(bytes: Uint8Array): boolean {
  return bytes.length > PREFIX.length && Buffer.compare(bytes.subarray(0, PREFIX.length), PREFIX) === 0
}

function proofOf(first: Entry, second: Entry, bytes: Uint8Array): ForkProof {
  const { author, seq } = first
  if (second.author !== author || second.seq !== seq || second.universe !== first.universe || second.hash === first.hash) {
    throw new Refusal('malformed', 'it proves nothing: it takes two different entries of one author with one seq')
  }
  return { author, seq, hashes: [first.hash, second.hash], entries: [first.bytes, second.bytes], bytes }
}

function partsOf(bytes: Uint8Array): Uint8Array[] {
  if (!claimsFork(bytes)) throw new Refusal('malformed', 'it is not a proof of two entries')
  const parts = decodeOrRefuse(bytes)
  const entries = Array.isArray(parts) ? (parts as unknown[]).slice(1) : []
  if (entries.length !== 2 || !entries.every((each) => each instanceof Uint8Array)) {
    throw new Refusal('malformed', 'it is not a proof of two entries')
  }
  return entries
}

function decodeOrRefuse(bytes: Uint8Array): unknown {
  try {
    return decodeCanonical(bytes, 1)
  } catch (error) {
    throw new Refusal('malformed', (error as Error).message)
  }
}
