/**
 * What catalogs say to each other and to clients: protocol `catalog/1`. Every request's head is one of `requestSchema`; what may outgrow a
 * head (lists, entries, artifacts) is the response's body. Heads and bodies are deterministic dag-cbor; an artifact's body is its bytes.
 */
import { z } from 'zod'
import { keySchema, presentedSchema } from '#protocols/access'
import { ARTIFACT_BYTES_MAX } from '#protocols/artifact'
import { OsirisError } from '#protocols/errors'
import { ROLES } from '#protocols/lifecycle'
import { digestSchema, manifestSchema, nameSchema, versionSchema } from '#protocols/manifest'
import { ID_BYTES, packIds, unpackIds } from './id-set.ts'
import { cancelSchema, scopeSchema, settingSchema, signatureSchema, targetsSchema, timeSchema } from './ledger/bodies.ts'
import type { Head } from './ledger/feeds.ts'
import { REFUSED_MAX } from './ledger/checkpoints/adoption.ts'
import { FROZEN_MAX } from './ledger/forks/frozen.ts'
import { RECEIPTS_MAX } from './ledger/receipts/receipts.ts'
import { PIECE_BYTES_MAX } from './artifacts/pace.ts'
import { LEASE_HELD_MS } from './witnesses/witnesses.ts'

export const PROTOCOL = 'catalog/1'
/** Gossip of fresh entries: a message is the bytes of one entry. */
export const TOPIC = 'ledger'
/** Gossip of fresh receipts: a message is a list of them. */
export const RECEIPTS_TOPIC = 'receipts'

/** One answer to `entries`; keeps a pull from holding much memory on either side. */
export const ENTRIES_BYTES_MAX = 512 * 1024
/** One answer to `proofs`. */
export const PROOFS_BYTES_MAX = 512 * 1024
/** A list of all functions of a large universe. */
export const LIST_BYTES_MAX = 256 * 1024 * 1024
const FEEDS_MAX = 10_000
const WANTS_MAX = 64
/** Entries whose receipts are asked for at once; the answer is at most 512 KiB. */
export const RECEIPTED_MAX = 128
const TIMEOUT_MS_MAX = 900_000
/** An entry that gives a node's key on has some 600 bytes. */
const ROTATION_BYTES_MAX = 2048
/** Feeds up to which all heads are sent (73 bytes each); of more, only what differs is looked for. */
export const HEADS_WHOLE_MAX = 64
export const OBJECTS_MAX = 256
const SETS_MAX = 16
/** Entries about authority that a joining node hears from one member. */
export const AUTHORITY_MAX = 16_384
/** Artifacts of one question. */
export const ASKED_MAX = 256

/** Ids one after the other, as bytes: half as long as in hex. */
const packedSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length % ID_BYTES === 0)
const packedIdSchema = packedSchema.refine((id) => id.length === ID_BYTES)
const setSchema = z.string().regex(/^[a-z]{1,32}$/)
const callerSchema = z.strictObject({ subject: z.string().max(256), token: z.string().max(4096).optional() })
const refSchema = z.strictObject({ namespace: nameSchema, name: nameSchema, selector: z.string().max(64).optional() })
const writeSchema = { caller: callerSchema, ack: z.enum(['accepted', 'committed']), timeoutMs: z.int().min(1).max(TIMEOUT_MS_MAX) }
const readSchema = { caller: callerSchema.optional() }
const spotSchema = z.strictObject({ author: keySchema, seq: z.int().min(1) })
const frozenSchema = z.array(z.strictObject({ author: keySchema, seq: z.int().min(1) })).max(FROZEN_MAX)

export const changeSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.enum(['create', 'transfer']), namespace: nameSchema, owner: keySchema }),
  z.strictObject({ type: z.literal('grant'), subject: keySchema, ...scopeSchema.shape, expiresAtMs: timeSchema.nullable() }),
  z.strictObject({ type: z.literal('revoke'), grant: digestSchema }),
  z.strictObject({ type: z.literal('cancel'), ...cancelSchema.shape }),
  z.strictObject({ type: z.literal('set'), ...settingSchema.shape }),
])

/** Reads. `caller` is for those who are no member with a role. */
export const requestSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('get'), ref: refSchema, ...readSchema }),
  z.strictObject({ type: z.literal('grants'), key: keySchema, token: cancelSchema.shape.token.optional() }),
  z.strictObject({ type: z.literal('list'), namespace: nameSchema.optional(), ...readSchema }),
  z.strictObject({ type: z.literal('versions'), namespace: nameSchema, name: nameSchema, ...readSchema }),
  /** `known`: the digest of the routes the asker has. */
  z.strictObject({ type: z.literal('routes'), known: digestSchema.optional(), ...readSchema }),
  /** A piece of an artifact: at most `length` bytes from `from` on, not beyond the end of a chunk. */
  z.strictObject({
    type: z.literal('artifact'),
    digest: digestSchema,
    from: z.int().min(0).max(ARTIFACT_BYTES_MAX),
    length: z.int().min(1).max(PIECE_BYTES_MAX),
    ...readSchema,
  }),
  z.strictObject({ type: z.literal('holds'), digests: z.array(digestSchema).min(1).max(ASKED_MAX) }),
  z.strictObject({ type: z.literal('status'), ...readSchema }),
  z.strictObject({ type: z.literal('log'), after: digestSchema.optional(), limit: z.int().min(1).max(1000), ...readSchema }),
  z.strictObject({ type: z.literal('conflicts'), ...readSchema }),
  z.strictObject({ type: z.literal('records'), from: spotSchema.optional(), ...readSchema }),
  /** The artifact is the body. */
  z.strictObject({ type: z.literal('publish'), manifest: manifestSchema, ...writeSchema }),
  z.strictObject({
    type: z.literal('point'),
    namespace: nameSchema,
    name: nameSchema,
    alias: nameSchema,
    targets: targetsSchema,
    ...writeSchema,
  }),
  z.strictObject({ type: z.literal('retire'), namespace: nameSchema, name: nameSchema, ...writeSchema }),
  /** `passedOn`: by a catalog that may not write it itself. */
  z.strictObject({ type: z.literal('amend'), change: changeSchema, passedOn: z.literal(true).optional(), ...writeSchema }),
  /** The sender asks to be let in as these roles; its connection says who it is. */
  z.strictObject({
    type: z.literal('join'),
    name: z.string().min(1).max(64),
    roles: z.array(z.enum(ROLES)).min(1).max(ROLES.length),
    invitation: presentedSchema.optional(),
    /** Of a node that changed its key: the last entry of the key before. */
    rotation: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= ROTATION_BYTES_MAX).optional(),
  }),
  z.strictObject({ type: z.literal('powers'), ...readSchema }),
  /** `known`: the digest of the settings the asker has. */
  z.strictObject({ type: z.literal('settings'), known: digestSchema.optional(), ...readSchema }),
  z.strictObject({ type: z.literal('succession') }),
  /** A person's key is given on. `passedOn`: by a catalog that may not write it itself. */
  z.strictObject({
    type: z.literal('give'),
    ...{ from: keySchema, to: keySchema, proof: signatureSchema, given: signatureSchema },
    ...{ passedOn: z.literal(true).optional(), ack: writeSchema.ack, timeoutMs: writeSchema.timeoutMs },
  }),
  /** The rotation is the body. */
  z.strictObject({ type: z.literal('hand-in') }),
  /** For members without the ledger. Entries about authority: with `ids` those, else all their ids, unless `known` (their digest, `admission/follower.ts`) says the same. */
  z.strictObject({
    type: z.literal('standing'),
    known: digestSchema.optional(),
    ids: packedSchema.refine((ids) => ids.length > 0 && ids.length <= OBJECTS_MAX * ID_BYTES).optional(),
  }),
  /** `known`: one digest over the asker's heads and its other shared sets; equal ones are not sent. */
  z.strictObject({ type: z.literal('heads'), known: digestSchema }),
  z.strictObject({
    type: z.literal('entries'),
    wants: z
      .array(z.strictObject({ author: keySchema, from: z.int().min(1), to: z.int().min(1).optional() }))
      .min(1)
      .max(WANTS_MAX),
  }),
  /** The checkpoint that most catalogs signed, with their statements; an empty body where there is none. */
  z.strictObject({ type: z.literal('checkpoint') }),
  /** Entries about authority in their total order, behind the first `skip` of them: what tells whose word counts. */
  z.strictObject({ type: z.literal('authority'), skip: z.int().min(0).max(AUTHORITY_MAX) }),
  /** Proofs of equivocation; `known`: what the asker has, by author and first seq without effect. */
  z.strictObject({ type: z.literal('proofs'), known: frozenSchema }),
  /**
   * The sender is about to write to a feed: how far does it go, and is another process with its key writing? `feed`: the root's, with the proof that the
   * sender holds its key; absent: the sender's own. `known`: hash of the last entry the sender has; `instance` names the process. The answer's body is the
   * last entry, where it is another one.
   */
  z.strictObject({
    type: z.literal('witness'),
    feed: z.strictObject({ author: keySchema, proof: signatureSchema }).optional(),
    known: digestSchema.nullable(),
    instance: z.string().min(1).max(64),
    leaseMs: z.int().min(0).max(LEASE_HELD_MS),
  }),
  /** The entry is the body. Answered when it is on disk, and with `keep` the artifact it publishes too. */
  z.strictObject({ type: z.literal('push'), keep: z.boolean().optional() }),
  /** Receipts of these entries: those known, and the asked one's own. */
  z.strictObject({
    type: z.literal('receipts'),
    of: z.array(spotSchema).min(1).max(RECEIPTED_MAX),
  }),
  /** One step of comparing a shared set by ranges; question and answer are the bodies (`reconcile.ts`). */
  z.strictObject({ type: z.literal('compare'), set: setSchema }),
  /** Objects of a shared set by id; those the answerer has, up to a bound. */
  z.strictObject({
    type: z.literal('objects'),
    set: setSchema,
    ids: packedSchema.refine((ids) => ids.length > 0 && ids.length <= OBJECTS_MAX * ID_BYTES),
  }),
])
export type Request = z.infer<typeof requestSchema>
export type RequestType = Request['type']
export type RequestOf<T extends RequestType> = Extract<Request, { type: T }>
export { WANTS_MAX }

const aliasesSchema = z.record(nameSchema, targetsSchema)
export const recordSchema = z.strictObject({
  namespace: nameSchema,
  name: nameSchema,
  version: versionSchema,
  ordinal: z.int().min(1),
  manifest: manifestSchema,
  aliases: aliasesSchema,
  versions: z.int().min(1),
  publishedAt: z.number(),
  publishedBy: z.string(),
  asker: keySchema.optional(),
  author: keySchema,
})
export const recordsSchema = z.array(recordSchema)
export const versionsSchema = z.array(
  z.strictObject({
    version: versionSchema,
    ordinal: z.int().min(1),
    publishedAt: z.number(),
    publishedBy: z.string(),
    author: keySchema,
    aliases: z.array(nameSchema),
    manifest: manifestSchema,
  }),
)
const routeSchema = z.strictObject({ route: z.string().max(1024), namespace: nameSchema, name: nameSchema })
export const settingsSchema = z.array(z.strictObject({ ...settingSchema.shape, value: z.string() }))
export const routesSchema = z.array(routeSchema)
/** `same`: what the asker has is what there is; else the body holds it. */
export const routesAnswerSchema = z.strictObject({ digest: digestSchema, same: z.boolean() })
const commitmentSchema = z.strictObject({
  state: z.enum(['accepted', 'committed']),
  needed: z.int(),
  members: z.int(),
  receipts: z
    .array(
      z.strictObject({
        holder: keySchema,
        node: z.string().nullable(),
        atMs: z.number(),
        signature: z.string().regex(/^[0-9a-f]{128}$/),
      }),
    )
    .max(RECEIPTS_MAX),
})
export const receiptSchema = commitmentSchema.extend({
  author: keySchema,
  seq: z.int().min(1),
  hash: digestSchema,
  holders: z.array(z.string()),
})
export const rotatedSchema = z.strictObject({ from: keySchema, to: keySchema, changed: z.boolean(), receipt: receiptSchema })
export const publishedSchema = z.strictObject({ record: recordSchema, receipt: receiptSchema, changed: z.boolean() })
export const headSchema = z.strictObject({ author: keySchema, seq: z.int().min(1), hash: digestSchema })
export const headsSchema = z.array(headSchema).max(FEEDS_MAX)
/** A head as catalogs tell each other: author, seq, hash; 73 bytes. */
export const packedHeadSchema = z
  .tuple([packedIdSchema, z.int().min(1), packedIdSchema])
  .transform(([author, seq, hash]): Head => ({ author: unpackIds(author)[0] as string, seq, hash: unpackIds(hash)[0] as string }))
export const packedHeadsSchema = z.array(packedHeadSchema).max(HEADS_WHOLE_MAX)

export function packHead({ author, seq, hash }: Head): [Uint8Array, number, Uint8Array] {
  return [packIds([author]), seq, packIds([hash])]
}
/** `whole`: the body holds all heads. */
export const headsAnswerSchema = z.discriminatedUnion('same', [
  z.strictObject({ same: z.literal(true) }),
  z.strictObject({
    same: z.literal(false),
    /** How many there are at the answering node. */
    entries: z.int().min(0),
    digests: z.record(setSchema, digestSchema).refine((digests) => Object.keys(digests).length <= SETS_MAX),
    whole: z.boolean(),
  }),
])
export const entriesSchema = z.array(z.instanceof(Uint8Array))
export const witnessAnswerSchema = z.strictObject({
  seq: z.int().min(0),
  hash: digestSchema.nullable(),
  doubt: z.strictObject({ seq: z.int().min(1), hash: digestSchema.nullable() }).nullable(),
  granted: z.boolean(),
  waitMs: z.int().min(0).max(LEASE_HELD_MS),
})
/** `receipt`: where the artifact that the entry publishes is on disk too. */
export const pushAnswerSchema = z.strictObject({ held: z.boolean(), receipt: z.instanceof(Uint8Array).optional() })
export const receiptsSchema = z.array(z.instanceof(Uint8Array)).max(RECEIPTED_MAX * (RECEIPTS_MAX + 1))
export const statusSchema = z.strictObject({
  viewDigest: digestSchema,
  functions: z.int(),
  entries: z.int(),
  heads: headsSchema,
  frozen: frozenSchema,
  unproven: z.int().min(0),
  refusedCheckpoints: z
    .array(z.strictObject({ checkpoint: z.string().max(64), signers: z.array(keySchema), sentence: z.string().max(1024) }))
    .max(REFUSED_MAX),
})
export const logSchema = z.array(
  z.strictObject({
    author: keySchema,
    seq: z.int(),
    hash: digestSchema,
    atMs: z.number(),
    type: z.string(),
    content: z.record(z.string(), z.unknown()),
    by: z.string(),
    asker: z.strictObject({ key: keySchema, grant: digestSchema.nullable(), stands: z.boolean() }).nullable(),
    grant: digestSchema.nullable(),
    commitment: commitmentSchema,
  }),
)
const markedSchema = z.strictObject({
  ...{ author: keySchema, seq: z.int(), hash: digestSchema },
  ...{ atMs: z.number(), type: z.string(), by: z.string() },
})
export const conflictsSchema = z.strictObject({
  lost: z.array(
    z.strictObject({ namespace: z.string(), name: z.string(), alias: z.string().nullable(), lost: markedSchema, won: markedSchema }),
  ),
  voided: z.array(markedSchema.extend({ reason: z.string() })),
  routes: z.array(routeSchema.extend({ holder: routeSchema })),
  frozen: z.array(z.strictObject({ author: keySchema, seq: z.int(), hashes: z.array(digestSchema) })),
})
const bytesSchema = z.instanceof(Uint8Array)
export const recordsPageSchema = z.strictObject({
  entries: z.array(spotSchema.extend({ bytes: bytesSchema, receipts: z.array(z.strictObject({ holder: keySchema, bytes: bytesSchema })) })),
  heads: z.array(spotSchema),
  proofs: z.array(bytesSchema),
  next: spotSchema.nullable(),
})
export const successionSchema = z.strictObject({
  genesis: bytesSchema.nullable(),
  keys: z.array(z.strictObject({ key: keySchema, of: z.enum(['root', 'recovery']), last: bytesSchema.nullable() })).max(1024),
})
export const handedInSchema = z.strictObject({
  ...{ author: keySchema, seq: z.int().min(1), hash: digestSchema, changed: z.boolean() },
  ...{ holders: z.int().min(1), catalogs: z.int().min(1) },
})
/** What a key holds. */
export const grantsSchema = z.array(scopeSchema).max(1024)
export const powersSchema = z.strictObject({
  namespaces: z.array(z.strictObject({ namespace: nameSchema, owner: keySchema, since: z.number() })),
  grants: z.array(
    z.strictObject({
      ...{ hash: digestSchema, type: z.enum(['admit', 'grant', 'namespace']), key: keySchema },
      ...{ grants: z.array(scopeSchema), expiresAtMs: z.number().nullable(), since: z.number(), author: keySchema },
      under: digestSchema.nullable(),
    }),
  ),
})
export const holdsAnswerSchema = z.strictObject({ here: z.array(digestSchema).max(ASKED_MAX) })
export const standingAnswerSchema = z.strictObject({ same: z.boolean() })
export const emptySchema = z.strictObject({})
/** `total`: bytes of the whole artifact. */
export const artifactAnswerSchema = z.strictObject({ total: z.int().min(1).max(ARTIFACT_BYTES_MAX) })

export function notHere(digest: string): OsirisError {
  return new OsirisError('not_found', `Cannot find artifact ${digest.slice(0, 8)}: no member has it`)
}
