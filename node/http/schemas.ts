/** Shapes of management requests (judged at the door) and of all answers (described in OpenAPI). */
import { scheduleSchema } from '#protocols/router'
import { z } from '@hono/zod-openapi'
import { CAPABILITIES, keySchema } from '#protocols/access'
import { CANARY_STATES } from '#protocols/canary'
import { errorStatus } from '#protocols/errors'
import { digestSchema, functionConfigSchema, manifestSchema, nameSchema, versionSchema } from '#protocols/manifest'
import { ROLES } from '#protocols/lifecycle'

const ackSchema = z.enum(['accepted', 'committed'])
export const writeQuerySchema = z.strictObject({
  ack: ackSchema.optional().openapi({ description: 'How far the write must have come before the answer; committed unless said otherwise' }),
  timeoutMs: z.coerce
    .number()
    .int()
    .min(1)
    .max(900_000)
    .optional()
    .openapi({ description: 'How long to wait for that, 10000 unless said otherwise; then not_committed, and what was accepted stands' }),
})

export const deploySchema = z.strictObject({
  source: z.string().optional(),
  language: z.enum(['typescript', 'javascript']).optional(),
  files: z.record(z.string().min(1).max(1024), z.string()).optional(),
  entry: z.string().min(1).max(1024).optional(),
  config: functionConfigSchema.optional(),
})

const weightSchema = z.int().min(0).max(100)
export const pointSchema = z.union([
  z.strictObject({ version: z.string().min(1).max(64) }),
  z.strictObject({
    targets: z
      .array(z.strictObject({ version: z.string().min(1).max(64), weight: weightSchema }))
      .min(1)
      .max(16),
  }),
])

/** Of a list: so many at most. */
export const limitSchema = z.coerce.number().int().min(1).max(1000).default(100)
export const listQuerySchema = z.strictObject({ namespace: nameSchema.optional() })
export const ledgerQuerySchema = z.strictObject({
  after: digestSchema.optional(),
  limit: limitSchema,
})

/** A place in a feed; both or neither. */
export const recordsQuerySchema = z.strictObject({
  author: keySchema.optional(),
  seq: z.coerce.number().int().min(1).optional(),
})

export const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(Object.keys(errorStatus) as [string, ...string[]]),
  stack: z.string().optional(),
})

const commitmentSchema = z.object({
  state: ackSchema,
  needed: z.int().openapi({ description: 'Receipts that make it committed: of a majority of the catalog members, of three at most' }),
  members: z.int(),
  receipts: z
    .array(z.object({ holder: z.string(), node: z.string().nullable(), atMs: z.number(), signature: z.string() }))
    .openapi({ description: 'Those that count; each signed by the key of its holder' }),
})
const receiptSchema = commitmentSchema.extend({
  author: z.string(),
  seq: z.int(),
  hash: z.string(),
  holders: z.array(z.string()).openapi({ description: 'Names of the nodes that have the entry on disk' }),
})

const aliasTargetsSchema = z.array(z.object({ version: versionSchema, weight: weightSchema }))

const summarySchema = z.object({
  namespace: nameSchema,
  name: nameSchema,
  version: versionSchema,
  ordinal: z.int(),
  versions: z.int(),
  access: z.enum(['public', 'token']),
  routes: z.array(z.string()),
  publishedAt: z.number(),
  publishedBy: z.string(),
})
export const functionsSchema = z.object({ functions: z.array(summarySchema) })
const canaryStatusSchema = z.object({
  alias: z.string(),
  version: z.string(),
  weight: z.int().openapi({ description: "Percent of the alias's calls now" }),
  steps: z.array(z.int()),
  watchMs: z.int(),
  startedAt: z.number(),
  since: z.number(),
  state: z.enum(CANARY_STATES),
  why: z.string().openapi({ description: 'Why it ended' }),
  by: z.string(),
})

const lostRoutesSchema = z
  .array(z.object({ route: z.string(), holder: z.object({ route: z.string(), namespace: nameSchema, name: nameSchema }) }))
  .openapi({ description: 'Routes it asks for and another function holds, which asked first' })
export const functionSchema = summarySchema.extend({
  lostRoutes: lostRoutesSchema,
  manifest: manifestSchema,
  aliases: z.record(z.string(), aliasTargetsSchema),
  promotion: canaryStatusSchema.nullable().openapi({ description: 'What has become of its last canary' }),
})

export const deployedSchema = z.object({
  namespace: nameSchema,
  name: nameSchema,
  version: versionSchema,
  ordinal: z.int(),
  changed: z.boolean(),
  routes: z.array(z.string()),
  lostRoutes: lostRoutesSchema,
  warnings: z.array(z.string()),
  receipt: receiptSchema,
})
export const pointedSchema = z.object({ record: functionSchema, receipt: receiptSchema, changed: z.boolean() })
export const removedSchema = z.object({ receipt: receiptSchema })

export const versionsSchema = z.object({
  versions: z.array(
    z.object({
      version: versionSchema,
      ordinal: z.int(),
      publishedAt: z.number(),
      publishedBy: z.string(),
      author: z.string(),
      aliases: z.array(z.string()),
      manifest: manifestSchema,
    }),
  ),
})

const canSchema = z.enum(CAPABILITIES)
const patternsSchema = z
  .array(z.string().min(1).max(64))
  .openapi({ description: 'Namespaces by name; a trailing * stands for a prefix, * for all' })

export const namespacesSchema = z.object({
  namespaces: z.array(
    z.object({ name: nameSchema, functions: z.int(), owner: z.string().nullable().openapi({ description: 'The key that owns it' }) }),
  ),
})
export const newNamespaceSchema = z.strictObject({ name: nameSchema, owner: keySchema })
export const newOwnerSchema = z.strictObject({ owner: keySchema })
export const canaryWrittenSchema = z.object({ promotion: canaryStatusSchema, receipt: receiptSchema })
export const writtenSchema = z.object({ receipt: receiptSchema })

const domainSchema = z.object({
  host: z.string(),
  namespace: nameSchema,
  name: nameSchema.nullable().openapi({ description: 'The function that has all of the host; null: the routes of the namespace' }),
  isGranted: z.boolean().openapi({ description: 'By an administrator of everything, without DNS' }),
  counts: z.boolean().openapi({ description: 'Whether the node that answers sends requests there' }),
  record: z.object({ name: z.string(), text: z.string() }).openapi({ description: 'The TXT record that proves it' }),
})
export const domainsSchema = z.object({ domains: z.array(domainSchema) })
/** Of `*`: `namespace` is whose it becomes. */
export const newDomainSchema = z.strictObject({ namespace: nameSchema.optional(), function: nameSchema.nullable().optional() })

export const quotasSchema = z.object({
  quotas: z.array(
    z.object({
      namespace: z.string(),
      callsPerSecond: z.number().optional(),
      concurrent: z.int().optional(),
      cpuSecondsPerHour: z.number().optional(),
      here: z.object({ share: z.number(), inFlight: z.int() }).nullable(),
    }),
  ),
})

const scaleValuesSchema = z.object({ min: z.int(), max: z.int(), target: z.int(), idleMs: z.int() })
export const scaleSchema = scaleValuesSchema.extend({
  namespace: nameSchema,
  name: nameSchema,
  published: scaleValuesSchema.openapi({ description: 'As the live version was published' }),
  set: z
    .object({ min: z.int().optional(), max: z.int().optional(), target: z.int().optional(), idle: z.int().optional() })
    .openapi({ description: 'What was set since; idle in milliseconds' }),
  decider: z.string().nullable().openapi({ description: 'The node that decides how many there are' }),
  versions: z.array(
    z.object({
      version: z.string(),
      instances: z.int().openapi({ description: 'Wanted, on all nodes together' }),
      ready: z.int(),
      isPanic: z.boolean(),
      nodes: z.array(z.object({ node: z.string(), ready: z.int() })),
    }),
  ),
})

export const grantsQuerySchema = z.strictObject({ key: keySchema.optional(), namespace: nameSchema.optional() })
export const newGrantSchema = z.strictObject({
  key: keySchema,
  can: z.array(canSchema).min(1).max(CAPABILITIES.length),
  namespaces: patternsSchema.min(1).max(64),
  expiresAtMs: z.int().min(0).max(8.64e15).nullable().optional(),
})
export const grantsSchema = z.object({
  grants: z.array(
    z.object({
      hash: z.string(),
      type: z.enum(['admit', 'grant', 'namespace']),
      key: z.string(),
      grants: z.array(z.object({ can: z.array(canSchema), namespaces: patternsSchema })),
      expiresAtMs: z.number().nullable(),
      since: z.number(),
      author: z.string(),
      under: z.string().nullable(),
    }),
  ),
})

export const nodesSchema = z.object({
  nodes: z.array(
    z.object({
      name: z.string(),
      peer: z.string(),
      roles: z.array(z.enum(ROLES)),
      http: z.string().nullable(),
      addresses: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
      region: z.string().nullable(),
      capacity: z.int(),
      inFlight: z.int(),
      functions: z.int(),
      warm: z.array(z.string()),
      connected: z.boolean(),
      self: z.boolean(),
      walls: z
        .array(z.object({ wall: z.string(), state: z.enum(['stands', 'weaker', 'missing']), by: z.string(), fix: z.string().optional() }))
        .optional(),
      instances: z
        .array(
          z.object({
            ...{ namespace: z.string(), name: z.string(), version: z.string() },
            ...{ ready: z.int(), starting: z.int(), running: z.int(), waiting: z.int() },
          }),
        )
        .optional(),
      admission: z.object({ state: z.enum(['admitted', 'waiting', 'refused']), reason: z.string().optional() }).optional(),
    }),
  ),
})

export const drainQuerySchema = z.strictObject({ timeoutMs: z.coerce.number().int().min(1).max(900_000).optional() })
export const drainedSchema = z.object({ calls: z.int() })

export const networkSchema = z.object({
  universe: z.object({ name: z.string(), id: z.string() }),
  peer: z.string(),
  addresses: z.array(z.string()),
  connections: z.array(z.string()),
  members: z.array(z.object({ name: z.string(), peer: z.string(), connected: z.boolean() })),
})
export const joinSchema = z.object({ join: z.string() })

export const ledgerSchema = z.object({
  status: z.object({
    viewDigest: z.string(),
    functions: z.int(),
    entries: z.int(),
    heads: z.array(z.object({ author: z.string(), seq: z.int(), hash: z.string() })),
    frozen: z.array(z.object({ author: z.string(), seq: z.int() })),
    unproven: z.int().openapi({ description: 'Entries that came by a checkpoint of other catalogs and that this node has yet to verify' }),
    refusedCheckpoints: z.array(z.object({ checkpoint: z.string(), signers: z.array(z.string()), sentence: z.string() })),
  }),
  lines: z.array(
    z.object({
      author: z.string(),
      seq: z.int(),
      hash: z.string(),
      atMs: z.number(),
      type: z.string(),
      content: z.record(z.string(), z.unknown()),
      by: z.string().openapi({
        description: 'What the caller calls itself, and in brackets the start of its key, "root", or "node" where no token was shown',
      }),
      asker: z.object({ key: z.string(), grant: z.string().nullable(), stands: z.boolean() }).nullable().openapi({
        description:
          'The key whose token asked for it, by which grant (null: the root), and whether that had not ended; null: the node itself',
      }),
      grant: z.string().nullable().openapi({ description: 'The entry whose authority it stands on; null: the root itself' }),
      commitment: commitmentSchema,
    }),
  ),
})

const spotSchema = z.object({ author: z.string(), seq: z.int() })
const base64Schema = z.string().openapi({ description: 'Base64 of the bytes as signed' })
export const recordsSchema = z.object({
  entries: z.array(spotSchema.extend({ bytes: base64Schema, receipts: z.array(z.object({ holder: z.string(), bytes: base64Schema })) })),
  heads: z.array(spotSchema).openapi({ description: 'With the first page: how far each feed goes at least' }),
  proofs: z.array(base64Schema).openapi({ description: 'With the last page: proofs that an author wrote two entries in one place' }),
  next: spotSchema.nullable().openapi({ description: 'Where the next page begins' }),
})

export const successionSchema = z.object({
  genesis: base64Schema.nullable(),
  keys: z.array(z.object({ key: z.string(), of: z.enum(['root', 'recovery']), last: base64Schema.nullable() })).openapi({
    description: 'The first of the root founded the universe, the last of them holds it now; "last" is the last entry of the key',
  }),
})
export const handInSchema = z.strictObject({
  entry: z.base64().min(1).max(90_000).openapi({ description: 'Base64 of the entry as signed' }),
})
const signatureSchema = z.base64().length(88).openapi({ description: 'Base64 of an Ed25519 signature' })
/** `proof` is signed by `to`, `given` by `from`. */
export const givingSchema = z.strictObject({ from: keySchema, to: keySchema, proof: signatureSchema, given: signatureSchema })
/** `from`: the key that holds the root now and shall end; the same again changes nothing. */
export const rotateSchema = z.strictObject({ from: keySchema })
export const rotatedSchema = z.object({
  from: z.string(),
  to: z
    .string()
    .openapi({ description: 'The key that holds from now on what "from" held; of the root, the node that answers made it and keeps it' }),
  changed: z.boolean().openapi({ description: 'false: it had been before' }),
  receipt: receiptSchema,
})
export const handedInSchema = z.object({
  author: z.string(),
  seq: z.int(),
  hash: z.string(),
  changed: z.boolean().openapi({ description: 'false: it was here already' }),
  holders: z.int().openapi({ description: 'Nodes that have it on disk' }),
  catalogs: z.int().openapi({ description: 'Nodes that keep the ledger, as far as known here' }),
})

const markedSchema = z.object({ author: z.string(), seq: z.int(), hash: z.string(), atMs: z.number(), type: z.string(), by: z.string() })
const routeSchema = z.object({ route: z.string(), namespace: nameSchema, name: nameSchema })
export const conflictsSchema = z.object({
  lost: z.array(z.object({ namespace: z.string(), name: z.string(), alias: z.string().nullable(), lost: markedSchema, won: markedSchema })),
  voided: z.array(markedSchema.extend({ reason: z.string() })),
  routes: z.array(routeSchema.extend({ holder: routeSchema })).openapi({ description: 'Functions that ask for a route another one holds' }),
  frozen: z.array(spotSchema.extend({ hashes: z.array(z.string()) })),
})

export const schedulesSchema = z.object({ schedules: z.array(scheduleSchema) })
export const messageSchema = z.unknown().openapi({ description: 'The data: any JSON of at most 256 KiB' })
export const publishQuerySchema = z.object({
  id: z.string().max(128).optional().openapi({ description: 'The same id again, within an hour, is the same message' }),
  key: z.string().max(256).optional().openapi({ description: 'Messages with one key go to the same function of a group' }),
})
export const publishedSchema = z.object({
  id: z.string(),
  subscribers: z.int().openapi({ description: 'Functions and groups that get it' }),
})
export const subscriptionsSchema = z.object({
  subscriptions: z.array(
    z.object({ function: z.string(), topic: z.string(), group: z.string().nullable(), attempts: z.int(), backoffMs: z.int() }),
  ),
})
export const deadLettersQuerySchema = z.object({ limit: limitSchema })
const aDeadLetter = z.object({
  id: z.string(),
  message: z.string(),
  namespace: z.string(),
  topic: z.string(),
  subscriber: z.string().openapi({ description: 'NAMESPACE/FUNCTION, or NAMESPACE:GROUP' }),
  attempts: z.int(),
  publishedAt: z.number(),
  publishedBy: z.string(),
  diedAt: z.number(),
  error: z.object({ code: z.string(), message: z.string() }),
})
export const deadLettersSchema = z.object({ letters: z.array(aDeadLetter) })
export const deadLetterSchema = aDeadLetter.extend({ key: z.string().nullable(), data: z.unknown() })
export const doneSchema = z.object({ id: z.string() })

export const nodeRotatedSchema = handedInSchema.extend({
  author: z.string().openapi({ description: 'The key that ended' }),
  to: z.string().openapi({ description: 'The key that the node goes on with' }),
})
