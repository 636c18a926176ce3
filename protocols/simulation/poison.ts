/** Records of the DHT that an attacker makes: each well-formed but for the one thing that makes it worth nothing. Knows the format, not the code under test. */
import { type Identity, universeId } from '#protocols/access'
import { decode, digestOf, encode } from '#protocols/codec'
import { versionOf } from '#protocols/manifest'
import { FIRST_ADMISSION, HOSTILE, HOSTILE_ADMISSION, NAMESPACE, NODES, ROOT, UNIVERSE } from './cast.ts'
import type { Dice } from './dice.ts'
import { entryOf, envelopeOf, sealed } from './forgery.ts'
import { functionOf } from './functions.ts'

export const HEADS = 'heads'
const DOMAIN = Buffer.from('osiris/head/1\0')
const VALID_MS = 3_600_000
/** Code that nobody deployed. */
const POISON = 9000
const POISONS = ['powerless', 'name', 'admission', 'root', 'altered', 'elsewhere'] as const

/** Where the record of a function lies. */
export function keyOf(namespace: string, name: string): string {
  return digestOf(encode(['osiris/head/1', universeId(UNIVERSE), `${namespace}/${name}`]))
}

export interface Poison {
  key: string
  value: Uint8Array
}

/** One for a function. `heard`: records of honest nodes, by key. */
export function poisonFor(name: string, heard: ReadonlyMap<string, Uint8Array>, nowMs: number, dice: Dice): Poison {
  const key = keyOf(NAMESPACE, name)
  const [first] = NODES as [Identity, ...Identity[]]
  const honest = heard.size === 0 ? undefined : dice.pick([...heard.values()])
  switch (dice.pick(POISONS)) {
    case 'powerless':
      return { key, value: recordOf(name, nowMs, HOSTILE.id, HOSTILE_ADMISSION) }
    case 'name':
      return { key, value: recordOf(name, nowMs, first.id, FIRST_ADMISSION) }
    case 'admission':
      return { key, value: recordOf(name, nowMs, HOSTILE.id, FIRST_ADMISSION) }
    case 'root':
      return { key, value: recordOf(name, nowMs, HOSTILE.id, admissionBy(dice.pick([ROOT.id, HOSTILE.id]))) }
    case 'altered':
      return { key, value: honest === undefined ? dice.bytes(200) : alteredIn(honest, dice) }
    case 'elsewhere':
      return { key, value: honest ?? dice.bytes(200) }
  }
}

function recordOf(name: string, nowMs: number, signer: string, admission: Uint8Array): Uint8Array {
  const { manifest } = functionOf(NAMESPACE, name, POISON)
  const place = { wallMs: nowMs, counter: 0, author: signer, seq: 1, hash: 'f'.repeat(64) }
  const shown = { ordinal: 1, publishedAt: nowMs, publishedBy: 'ada', author: signer, manifest }
  const payload = encode({
    ...{ universe: universeId(UNIVERSE), signer, namespace: NAMESPACE, name, place },
    ...{ versions: 1, aliases: { live: [{ version: versionOf(manifest), weight: 100 }] }, shown: [shown] },
    ...{ atMs: nowMs, expiresAtMs: nowMs + VALID_MS },
  })
  return encode([...(decode(sealed(payload, DOMAIN, HOSTILE)) as Uint8Array[]), [admission]])
}

/** "The root let me in", in the attacker's own hand. */
function admissionBy(author: string): Uint8Array {
  const envelope = envelopeOf(FIRST_ADMISSION)
  return entryOf({ ...envelope, author, body: { ...(envelope['body'] as object), member: HOSTILE.id } }, HOSTILE)
}

/** Something in it is another than its signer said. */
function alteredIn(record: Uint8Array, dice: Dice): Uint8Array {
  const parts = decode(record) as [Uint8Array, Uint8Array, Uint8Array[]]
  const [payload, ...rest] = parts
  const head = decode(payload) as { place: { wallMs: number } }
  if (dice.chance(0.5))
    return encode([encode({ ...head, place: { ...head.place, wallMs: head.place.wallMs + 1 }, shown: [], aliases: {} }), ...rest])
  const bytes = Uint8Array.from(record)
  const at = dice.int(bytes.length)
  bytes[at] = (bytes[at] as number) ^ (1 << dice.int(8))
  return bytes
}
