/**
 * What is published: the settings a person writes (DESIGN 4.1) and the manifest that names a version.
 * Settings come in with units a person likes (`10s`, `64MB`) and leave with the unit in the name.
 */
import { z } from 'zod'
import { ARTIFACT_BYTES_MAX, chunksFit } from './artifact.ts'
import { digestOf, encode } from './codec.ts'
import { parseEgress } from './egress.ts'
import { NAME_PATTERN, NAME_RULE, VERSION_PATTERN } from './function.ts'
import { parseCron } from './schedule.ts'
import { parseTopicPattern } from './topic.ts'
import { placeConfigSchema, placeOf, placeSchema } from './traits.ts'

const MIB = 1024 * 1024
/** The longest timeout a function may have. */
export const TIMEOUT_MS_MAX = 900_000

/** `250ms`, `10s`, `5m`, `1h`, or a number of milliseconds → milliseconds. */
export function durationMs(minMs: number, maxMs: number) {
  return quantity({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }, minMs, maxMs, 'a duration such as 250ms, 10s or 5m')
}

/** `512KB`, `64MB`, `1GB` (powers of 1024), or a number of bytes → bytes. */
export function byteSize(minBytes: number, maxBytes: number) {
  return quantity({ B: 1, KB: 1024, MB: MIB, GB: 1024 * MIB }, minBytes, maxBytes, 'a size such as 512KB or 64MB')
}

function quantity(units: Record<string, number>, min: number, max: number, expected: string) {
  return z.union([z.number(), z.string()]).transform((value, context) => {
    const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([a-zA-Z]+)$/.exec(value.trim()) : null
    const factor = match === null ? undefined : units[match[2] as string]
    const amount = typeof value === 'number' ? value : match === null || factor === undefined ? Number.NaN : Number(match[1]) * factor
    if (!Number.isFinite(amount)) context.addIssue({ code: 'custom', message: `expected ${expected}` })
    else if (amount < min || amount > max)
      context.addIssue({ code: 'custom', message: `must be between ${min} and ${max} (got ${amount})` })
    return Math.round(amount)
  })
}

export const nameSchema = z.string().regex(NAME_PATTERN, NAME_RULE)
export const versionSchema = z.string().regex(VERSION_PATTERN, 'a version is 64 lower-case hex characters')
export const digestSchema = z.string().regex(VERSION_PATTERN, 'a digest is 64 lower-case hex characters')

/** `[METHOD[,METHOD]] [host]/path`; parsed and matched by route.ts. */
const routeSchema = z
  .string()
  .max(1024)
  .regex(/^(?:[A-Z]+(?:,[A-Z]+)* )?[^\s/]*\/\S*$/, 'expected "[METHOD[,METHOD]] [host]/path"')

/** `https://api.example.org`, `https://*.example.org`, `http://127.0.0.1:9000`, `*`…: what the function may fetch; none: nothing. All forms: egress.ts. */
const egressSchema = z
  .string()
  .max(2048)
  .superRefine((text, context) => {
    try {
      parseEgress(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  })

/** `orders.*`, `shop/orders.**`: which topics, of its own namespace unless another is named. All forms: topic.ts. */
const topicPatternSchema = z
  .string()
  .max(320)
  .superRefine((text, context) => {
    try {
      parseTopicPattern(text, 'own')
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  })

/** `0 9 * * MON-FRI`, `@daily`; all forms: schedule.ts. */
const cronSchema = z.string().max(256)
/** What becomes of ticks at which nobody could fire: nothing, the last of them is made up for, or all of them (a hundred at most). */
const missedSchema = z.enum(['skip', 'last', 'all'])

function checkCron({ cron, timezone }: { cron: string; timezone?: string | undefined }, context: z.RefinementCtx): void {
  try {
    parseCron(cron, timezone)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
}

/** Deliveries of one message before it is a dead letter, the first included: with the default pauses the eighth is about two minutes after the first. */
const DELIVERY_ATTEMPTS = 8
const DELIVERY_BACKOFF_MS = 1000
const deliveryAttemptsSchema = z.int().min(1).max(100)

function nameOfSecret(text: string): string {
  return text.split('@')[0] as string
}

/** `scale` as a person writes it. */
export const scaleConfigSchema = z.strictObject({
  min: z.int().min(0).max(1000).optional(),
  max: z.int().min(1).max(1000).optional(),
  target: z.int().min(1).max(10_000).optional(),
  idle: durationMs(1000, 86_400_000).optional(),
})

/** What a person writes for one function, in `osiris.yaml` or as `config` of a deploy. Unknown keys are refused. */
export const functionConfigSchema = z
  .strictObject({
    routes: z.array(routeSchema).max(64).optional(),
    execution: z
      .strictObject({
        engine: z.enum(['isolate']).optional(),
        timeout: durationMs(1, TIMEOUT_MS_MAX).optional(),
        cpu: durationMs(1, TIMEOUT_MS_MAX).optional(),
        memory: byteSize(8 * MIB, 4096 * MIB).optional(),
        concurrency: z.int().min(1).max(10_000).optional(),
        payload: byteSize(0, 1024 * MIB).optional(),
        result: byteSize(0, 1024 * MIB).optional(),
        logs: byteSize(0, 64 * MIB).optional(),
        requests: z.int().min(0).max(10_000).optional(),
        timers: z.int().min(0).max(100_000).optional(),
      })
      .optional(),
    scale: scaleConfigSchema.optional(),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'an environment name is letters, digits and "_"'), z.string().max(32_768))
      .optional(),
    secrets: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}(?:@[1-9]\d{0,8})?$/, 'a secret is its name, or NAME@VERSION'))
      .max(64)
      .refine((secrets) => new Set(secrets.map(nameOfSecret)).size === secrets.length, 'a secret may stand only once')
      .optional(),
    egress: z.array(egressSchema).max(64).optional(),
    calls: z.array(z.string().max(256)).max(64).optional(),
    schedule: z
      .union([
        cronSchema.superRefine((cron, context) => checkCron({ cron }, context)),
        z
          .strictObject({
            cron: cronSchema,
            /** Of the IANA database, e.g. `Europe/Berlin`. */
            timezone: z.string().max(64).optional(),
            missed: missedSchema.optional(),
            overlap: z.boolean().optional(),
          })
          .superRefine(checkCron),
      ])
      .optional(),
    subscribe: z
      .array(
        z.union([
          topicPatternSchema,
          z.strictObject({
            topic: topicPatternSchema,
            group: nameSchema.optional(),
            attempts: deliveryAttemptsSchema.optional(),
            backoff: durationMs(100, 3_600_000).optional(),
          }),
        ]),
      )
      .max(64)
      .optional(),
    access: z.enum(['public', 'token']).optional(),
    idempotent: z.boolean().optional(),
    /** A second start at another member when the first has not answered after so long; takes `idempotent: true`. */
    hedge: z.strictObject({ after: durationMs(1, TIMEOUT_MS_MAX) }).optional(),
    /** What the node must have that runs it. */
    place: placeConfigSchema.optional(),
  })
  .refine((config) => config.hedge === undefined || config.idempotent === true, {
    path: ['hedge'],
    message: 'takes idempotent: true, since it may start a call twice',
  })

/** What a person may write (before parsing). */
export type FunctionConfig = z.input<typeof functionConfigSchema>

/** The same with every default filled in and every unit fixed; part of the manifest. */
export const settingsSchema = z.strictObject({
  routes: z.array(routeSchema).max(64),
  execution: z.strictObject({
    engine: z.enum(['isolate']),
    /** Wall time of one call, the reading of its body and the streaming of its answer included. */
    timeoutMs: z.int().min(1).max(TIMEOUT_MS_MAX),
    /** Time the engine may compute in one call. */
    cpuMs: z.int().min(1).max(TIMEOUT_MS_MAX),
    memoryMbMax: z.int().min(8).max(4096),
    /** Calls of one instance at the same time. */
    concurrencyMax: z.int().min(1).max(10_000),
    /** Arguments or request body; the result of a value function too, where it has no bound of its own. */
    payloadBytesMax: z
      .int()
      .min(0)
      .max(1024 * MIB),
    /*
     * The rest is there only where somebody asked for it; absent is the executor's default. So manifests from before these keys, and those that do not use
     * them, keep their digests.
     */
    /** The result of a value function. */
    resultBytesMax: z
      .int()
      .min(0)
      .max(1024 * MIB)
      .optional(),
    /** Log text of one call; what is longer is cut and counted. */
    logBytesMax: z
      .int()
      .min(0)
      .max(64 * MIB)
      .optional(),
    /** Fetches and calls of other functions, per call. */
    requestsMax: z.int().min(0).max(10_000).optional(),
    /** Timers of one instance alive at the same time. */
    timersMax: z.int().min(0).max(100_000).optional(),
  }),
  scale: z.strictObject({
    min: z.int().min(0).max(1000),
    max: z.int().min(1).max(1000),
    target: z.int().min(1).max(10_000),
    idleMs: z.int().min(1000).max(86_400_000),
  }),
  env: z.record(z.string(), z.string().max(32_768)),
  /** References, never values. `version` null: the newest one whenever it is read; else exactly that one, so that a rollback brings it back. */
  secrets: z.array(z.strictObject({ name: z.string().max(128), version: z.int().min(1).nullable() })).max(64),
  egress: z.array(z.string()).max(64),
  calls: z.array(z.string()).max(64),
  /** Whether the line can be read was judged when it was written; whoever reads it judges again. */
  schedule: z
    .strictObject({
      cron: cronSchema,
      timezone: z.string().max(64),
      missed: missedSchema,
      /** A tick fires while the call of an earlier one runs; else it is passed over. */
      overlap: z.boolean(),
    })
    .nullable(),
  /** Topics whose messages it gets: `router/topics`. */
  subscribe: z
    .array(
      z.strictObject({
        /** A pattern, of its own namespace unless another is named. */
        topic: topicPatternSchema,
        /** Of the functions of this namespace that name the same group, one gets each message. `null`: this function gets each. */
        group: nameSchema.nullable(),
        attemptsMax: deliveryAttemptsSchema,
        /** The first pause between two attempts; doubled each time. */
        backoffMs: z.int().min(100).max(3_600_000),
      }),
    )
    .max(64),
  access: z.enum(['public', 'token']),
  idempotent: z.boolean(),
  /** These two are only there where the function asks for something. */
  hedge: z.strictObject({ afterMs: z.int().min(1).max(TIMEOUT_MS_MAX) }).optional(),
  place: placeSchema.optional(),
})
export type FunctionSettings = z.infer<typeof settingsSchema>

/** Parsed config → settings. The defaults are those of the example in DESIGN 4.1. */
export function settingsOf(config: z.output<typeof functionConfigSchema>): FunctionSettings {
  const { execution = {}, scale = {} } = config
  const place = placeOf(config.place)
  return {
    routes: config.routes ?? [],
    execution: {
      engine: execution.engine ?? 'isolate',
      timeoutMs: execution.timeout ?? 10_000,
      cpuMs: execution.cpu ?? Math.min(execution.timeout ?? 10_000, 10_000),
      memoryMbMax: Math.ceil((execution.memory ?? 64 * MIB) / MIB),
      concurrencyMax: execution.concurrency ?? 50,
      payloadBytesMax: execution.payload ?? MIB,
      ...(execution.result === undefined ? {} : { resultBytesMax: execution.result }),
      ...(execution.logs === undefined ? {} : { logBytesMax: execution.logs }),
      ...(execution.requests === undefined ? {} : { requestsMax: execution.requests }),
      ...(execution.timers === undefined ? {} : { timersMax: execution.timers }),
    },
    scale: { min: scale.min ?? 0, max: scale.max ?? 20, target: scale.target ?? 10, idleMs: scale.idle ?? 300_000 },
    env: config.env ?? {},
    secrets: (config.secrets ?? []).map(secretOf),
    egress: config.egress ?? [],
    calls: config.calls ?? [],
    schedule: config.schedule === undefined ? null : scheduleOf(config.schedule),
    subscribe: (config.subscribe ?? []).map(subscriptionOf),
    access: config.access ?? 'token',
    idempotent: config.idempotent ?? false,
    ...(config.hedge === undefined ? {} : { hedge: { afterMs: config.hedge.after } }),
    ...(place === undefined ? {} : { place }),
  }
}

/** `API_KEY` or `API_KEY@3`. */
function secretOf(text: string): FunctionSettings['secrets'][number] {
  const version = text.split('@')[1]
  return { name: nameOfSecret(text), version: version === undefined ? null : Number(version) }
}

function scheduleOf(written: NonNullable<z.output<typeof functionConfigSchema>['schedule']>): FunctionSettings['schedule'] {
  const { cron, timezone, missed, overlap } = typeof written === 'string' ? { cron: written } : written
  return { cron: cron.trim(), timezone: timezone ?? 'UTC', missed: missed ?? 'skip', overlap: overlap ?? false }
}

type WrittenSubscription = NonNullable<z.output<typeof functionConfigSchema>['subscribe']>[number]

function subscriptionOf(written: WrittenSubscription): FunctionSettings['subscribe'][number] {
  const { topic, group, attempts, backoff } = typeof written === 'string' ? { topic: written } : written
  return { topic, group: group ?? null, attemptsMax: attempts ?? DELIVERY_ATTEMPTS, backoffMs: backoff ?? DELIVERY_BACKOFF_MS }
}

export const TESTS_MAX = 64
export const SOURCE_NAMES_MAX = 64

/**
 * One immutable version of one function: all of what runs and how, so that pointing an alias back at it brings all of it back.
 * Two deploys of the same code with the same settings are the same version, whoever builds them.
 */
export const manifestSchema = z.strictObject({
  format: z.literal(1),
  namespace: nameSchema,
  name: nameSchema,
  /** The bundled code, by the SHA-256 of its bytes. */
  artifact: z
    .strictObject({
      digest: digestSchema,
      bytes: z.int().min(1).max(ARTIFACT_BYTES_MAX),
      /** The SHA-256 of each chunk, of an artifact longer than one (`nameOfArtifact`). */
      chunks: z.array(digestSchema).max(64).optional(),
    })
    .refine(chunksFit, 'an artifact longer than 256 KiB lists its chunks, a shorter one does not'),
  /** What was written: the SHA-256 over all source files (names and texts), and the file that holds the default export. */
  source: z.strictObject({ digest: digestSchema, entry: z.string().max(1024), language: z.enum(['typescript', 'javascript']) }),
  /** Names of the default export's parameters where it is a plain function; a route binds them by name. Empty for web functions. */
  parameters: z.array(z.string().max(128)).max(64),
  settings: settingsSchema,
  /** The function's own tests among the source files, by file name, with the SHA-256 of their text. */
  tests: z.array(z.strictObject({ file: z.string().max(1024), digest: digestSchema })).max(TESTS_MAX),
  /** How it came to be. Not part of the version's name (`versionOf`): the entry that carries it is signed, and equal code built elsewhere stays equal. */
  provenance: z.strictObject({
    /** Name of the node that built it, by its own word. */
    node: z.string().max(256),
    /** What made the artifact, e.g. `esbuild 0.28.2`. */
    tools: z.array(z.string().max(128)).max(16),
    /** The author's own files, relative to the source's root, without packages; the first of them where there are more. */
    files: z.array(z.string().max(1024)).max(SOURCE_NAMES_MAX),
  }),
})
export type Manifest = z.infer<typeof manifestSchema>

/** The name of a version: the SHA-256 of its manifest's deterministic bytes, without what only tells how it came to be. */
export function versionOf(manifest: Manifest): string {
  const { provenance: _, ...named } = manifest
  return digestOf(encode(named))
}
