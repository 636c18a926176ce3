/** Entries, receipts and beats that an attacker makes of what it has heard: well-formed but for the one thing that is wrong. Knows the wire format, not the code under test. */
import { type Identity, universeId } from '#protocols/access'
import { decode, digestOf, encode } from '#protocols/codec'
import { CLOSED, FIRST_GRANT, HOSTILE, HOSTILE_GRANT, NAMESPACE, UNIVERSE } from './cast.ts'
import { functionOf } from './functions.ts'

type Envelope = Record<string, unknown> & { author: string; seq: number }

const ENTRY_DOMAIN = Buffer.from('osiris/entry/1\0')
const CHECKPOINT_DOMAIN = Buffer.from('osiris/checkpoint/shared/1\0')
const RECEIPT_DOMAIN = Buffer.from('osiris/receipt/1\0')

/** What an entry says. */
export function envelopeOf(bytes: Uint8Array): Envelope {
  const [payload] = decode(bytes) as [Uint8Array]
  return decode(payload) as Envelope
}

export function isEntry(bytes: Uint8Array): boolean {
  try {
    return typeof envelopeOf(bytes).author === 'string'
  } catch {
    return false
  }
}

/** The envelope as an entry, signed by whoever forges it. */
export function entryOf(envelope: Envelope, signer: Identity): Uint8Array {
  return sealed(encode(envelope), ENTRY_DOMAIN, signer)
}

/** "Somebody else has this entry on disk", in the attacker's own hand. */
export function receiptFor(entry: Uint8Array, holder: string, atMs: number): Uint8Array {
  const { author, seq } = envelopeOf(entry)
  const statement = { universe: universeId(UNIVERSE), holder, author, seq, hash: digestOf(entry), atMs }
  return sealed(encode(statement), RECEIPT_DOMAIN, HOSTILE)
}

/** Somebody's checkpoint with another view or without a feed, in the attacker's hand; in whose name it says. */
export function checkpointLike(content: Uint8Array, signer: string, atMs: number, wrong: 'view' | 'feeds' | 'none'): Uint8Array {
  const said = decode(content) as { view: string; feeds: unknown[] }
  const altered = {
    ...said,
    ...(wrong === 'view' ? { view: 'e'.repeat(64) } : {}),
    ...(wrong === 'feeds' ? { feeds: said.feeds.slice(1) } : {}),
  }
  const bytes = encode(altered)
  const payload = encode({ universe: universeId(UNIVERSE), signer, content: digestOf(bytes), atMs })
  return encode([...(decode(sealed(payload, CHECKPOINT_DOMAIN, HOSTILE)) as Uint8Array[]), bytes])
}

/** Payload and signature, as everything that is signed travels. */
export function sealed(payload: Uint8Array, domain: Uint8Array, signer: Identity): Uint8Array {
  return encode([payload, new Uint8Array(signer.sign(Buffer.concat([domain, payload])))])
}

/** A feed that is written without the code under test: where it stands, and what would come next. */
export class OwnFeed {
  readonly #owner: Identity
  #seq = 0
  #hash: string | null = null
  #wallMs = 0

  /** `last`: what it has already. */
  constructor(owner: Identity, last?: Uint8Array) {
    this.#owner = owner
    if (last !== undefined) this.#stand(last)
  }

  get seq(): number {
    return this.#seq
  }

  /** When its last entry says it was written. */
  get wallMs(): number {
    return this.#wallMs
  }

  /** The next entry, with what is wrong about it; does not move the feed on. `like`: any entry, for the fields this code does not know. */
  next(like: Uint8Array, nowMs: number, wrong: Record<string, unknown> = {}): Uint8Array {
    const place = { author: this.#owner.id, seq: this.#seq + 1, prev: this.#hash }
    const hlc = { wallMs: Math.max(nowMs, this.#wallMs + 1), counter: 0 }
    const envelope = {
      ...envelopeOf(like),
      ...place,
      hlc,
      type: 'note',
      body: { seq: this.#seq + 1 },
      by: 'hostile',
      grant: HOSTILE_GRANT,
      ...wrong,
    }
    return entryOf(envelope, this.#owner)
  }

  /** This one was told to somebody as the next. */
  goOn(entry: Uint8Array): void {
    this.#stand(entry)
  }

  #stand(entry: Uint8Array): void {
    this.#seq = envelopeOf(entry).seq
    this.#hash = digestOf(entry)
    this.#wallMs = (envelopeOf(entry)['hlc'] as { wallMs: number }).wallMs
  }
}

/** Who it says asked for what nobody may: no such entry may come onto an honest disk. */
export const USURPER = 'usurper'
/** Things it was never given the right to, on its own admission and on somebody else's. */
export const USURPATIONS = [HOSTILE_GRANT, FIRST_GRANT, null].flatMap((grant) => [
  { grant, type: 'publish', body: { manifest: functionOf(NAMESPACE, 'pay', 5000).manifest, after: null } },
  { grant, type: 'publish', body: { manifest: functionOf(CLOSED, 'pay', 5000).manifest, after: null } },
  { grant, type: 'retire', body: { namespace: NAMESPACE, name: 'pay', after: null } },
  { grant, type: 'grant', body: { subject: HOSTILE.id, can: ['admin'], namespaces: ['*'], expiresAtMs: null } },
])
