/** What the known types of entries say. A body that does not fit its type is kept like an unknown type: in the feed, without effect on the view. */
import { z } from 'zod'
import { CAPABILITIES, keySchema, presentedSchema } from '#protocols/access'
import type { Line } from './entry.ts'
import { digestSchema, manifestSchema, nameSchema, versionSchema } from '#protocols/manifest'

/** Authors a revocation or a transfer may pin: fits one entry beside everything else. */
export const PINS_MAX = 512
/** Grants in one admission, patterns in one grant. */
const SCOPES_MAX = 16
export const PATTERNS_MAX = 64

/** Text of one setting: beside everything else it fits an entry many times. */
const SETTING_CHARS_MAX = 8192

/** Wall-clock milliseconds up to the last moment that is a date (ECMA-262, 21.4.1.1): whoever reads one may write it as such. */
export const timeSchema = z.int().min(0).max(8.64e15)

/** Words that a reference reads as an ordinal or as a version may not name an alias. */
const aliasSchema = nameSchema.refine(
  (name) => !/^(v\d+|[0-9a-f]{8,64})$/.test(name),
  'an alias must not look like an ordinal or a version',
)

/** One version, or several with whole weights that add up to 100. */
export const targetsSchema = z
  .array(z.strictObject({ version: versionSchema, weight: z.int().min(1).max(100) }))
  .min(1)
  .max(16)
  .refine((targets) => targets.reduce((sum, each) => sum + each.weight, 0) === 100, 'the weights must add up to 100')
  .refine((targets) => new Set(targets.map((each) => each.version)).size === targets.length, 'a version may stand only once')

/** A namespace by name, a prefix with a trailing `*`, or `*` for all. Names are ASCII by `nameSchema`, so that no two look alike. */
export const patternSchema = z
  .string()
  .regex(/^(\*|[a-z][a-z0-9-]{0,62}\*?)$/, 'expected a namespace, a prefix with a trailing "*", or "*"')

/** What may be done where: one `Grant` of `#protocols/access`. */
export const scopeSchema = z.strictObject({
  can: z.array(z.enum(CAPABILITIES)).min(1).max(CAPABILITIES.length),
  namespaces: z.array(patternSchema).min(1).max(PATTERNS_MAX),
})

/** The last entry of each author that counts; an author not listed is pinned at 0. */
const pinsSchema = z
  .array(z.strictObject({ author: keySchema, seq: z.int().min(0) }))
  .max(PINS_MAX)
  .refine((pins) => new Set(pins.map((each) => each.author)).size === pins.length, 'an author may stand only once')

/**
 * The grant of whoever asked for this, where that is not its author: what is given ends with it, and goes no further than it does. Absent: it stands
 * on nothing but the author's own, or the root asked.
 */
const underSchema = digestSchema.optional()

/** The first entry of the root's feed: which universe this is, and by whose authority. `recovery`: a second key with the root's powers, kept offline. */
export const genesisSchema = z.strictObject({ name: nameSchema, root: keySchema, recovery: keySchema.nullable() })
/** A node may take part, and holds these grants. By the root, or by a holder of `admin` on `*`. `invitation`: what it came with; of its uses, this is one. */
export const admitSchema = z.strictObject({
  member: keySchema,
  name: z.string().min(1).max(64),
  roles: z.array(z.string().min(1).max(32)).max(16),
  grants: z.array(scopeSchema).max(SCOPES_MAX),
  expiresAtMs: timeSchema.nullable(),
  under: underSchema,
  invitation: presentedSchema.optional(),
})
/** Ends a member for good: its entries beyond `seq` count nowhere. By the root. What it gave others before stands. */
export const banSchema = z.strictObject({ member: keySchema, seq: z.int().min(0) })
/** Makes `owner` the owner (`admin`) of a namespace: nobody's (`of` null), or handed over by the owner or whoever stands above (`of`: the entry that made the present one). */
export const namespaceSchema = z.strictObject({
  namespace: nameSchema,
  owner: keySchema,
  of: digestSchema.nullable(),
  pins: pinsSchema,
  under: underSchema,
})
/** Gives a key part of what the grant it stands on gives its author, and of what `under` gives whoever asked. */
export const grantSchema = z.strictObject({
  subject: keySchema,
  ...scopeSchema.shape,
  expiresAtMs: timeSchema.nullable(),
  under: underSchema,
})
/** Ends a grant (an admission, a namespace) and all under it. By its issuer, an issuer further up, or the root. */
export const revokeSchema = z.strictObject({ grant: digestSchema, pins: pinsSchema })
/** Ends a token or an invitation that this key signed, from here on. By a holder of `admin` on `*`. */
export const cancelSchema = z.strictObject({ issuer: keySchema, token: z.string().regex(/^[0-9a-f]{32,64}$/) })
export const signatureSchema = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === 64,
  'a signature has 64 bytes',
)
/**
 * `to` takes over what `from` held; `from` ends at `seq`. By `from` itself, with `to`'s signature in `proof`, or by the root or the recovery key.
 * `given`: where somebody without a feed gives their key on, that key's signature, so that anybody sees who wanted it.
 */
export const rotateSchema = z.strictObject({
  from: keySchema,
  to: keySchema,
  seq: z.int().min(0),
  proof: signatureSchema.nullable(),
  given: signatureSchema.optional(),
})

/** Hash of the entry which the author saw as the last before: what lets a lost concurrent edit be told from one that was overwritten on purpose. */
const afterSchema = digestSchema.nullable()
/** Makes the manifest a version of its function and points `live` at it. `after`: of `live`. */
export const publishSchema = z.strictObject({ manifest: manifestSchema, after: afterSchema })
/** Points an alias at versions published before. `after`: of this alias. */
export const pointSchema = z.strictObject({
  namespace: nameSchema,
  name: nameSchema,
  alias: aliasSchema,
  targets: targetsSchema,
  after: afterSchema,
})
/** Takes a function out of the view. `after`: of the function. */
export const retireSchema = z.strictObject({ namespace: nameSchema, name: nameSchema, after: afterSchema })

/** A name a function reads its secret by: the same as in a manifest. */
const secretNameSchema = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
/** That a secret's version has this digest; never the secret. `digest` null takes the secret out. */
export const secretSchema = z.strictObject({
  namespace: nameSchema,
  name: secretNameSchema,
  version: z.int().min(1),
  digest: digestSchema.nullable(),
})
/** Where events of a namespace are sent. `url` null takes the hook out; `secret` names what signs the deliveries. */
export const hookSchema = z.strictObject({
  namespace: nameSchema,
  name: nameSchema,
  url: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .nullable(),
  events: z.array(z.string().min(1).max(128)).max(32),
  secret: secretNameSchema.nullable(),
})

/**
 * What holds for a namespace, or for something in it, on every node: `quota` (of `*`: of every namespace without one of its own), by who administers all
 * namespaces; `promotion/NAME` and `domain/HOST`, by who may deploy there (`domain/HOST` of `*`: by who may do everything). JSON text, null to take it out; what it says is for whoever reads it.
 */
export const settingSchema = z
  .strictObject({
    namespace: z.union([nameSchema, z.literal('*')]),
    key: z
      .string()
      .regex(
        /^(quota|(promotion|scale)\/[a-z][a-z0-9-]{0,62}|domain\/[a-z0-9.-]{4,245})$/,
        'expected "quota", "promotion/NAME", "scale/NAME" or "domain/HOST"',
      ),
    value: z.string().max(SETTING_CHARS_MAX).nullable(),
  })
  .refine(
    ({ namespace, key }) => namespace !== '*' || key === 'quota' || key.startsWith('domain/'),
    'only a quota or a domain is for all namespaces',
  )

export const bodySchemas = {
  genesis: genesisSchema,
  admit: admitSchema,
  ban: banSchema,
  namespace: namespaceSchema,
  grant: grantSchema,
  revoke: revokeSchema,
  cancel: cancelSchema,
  rotate: rotateSchema,
  publish: publishSchema,
  point: pointSchema,
  retire: retireSchema,
  secret: secretSchema,
  hook: hookSchema,
  setting: settingSchema,
} as const
export type EntryType = keyof typeof bodySchemas
export type BodyOf<T extends EntryType> = z.infer<(typeof bodySchemas)[T]>

/** The body of an entry, where it fits its type. */
export function bodyOf<T extends EntryType>(entry: Pick<Line, 'body' | 'known'>, type: T): BodyOf<T> | undefined {
  if (entry.known !== undefined) return entry.known.fits ? (entry.body as BodyOf<T>) : undefined
  const result = bodySchemas[type].safeParse(entry.body)
  return result.success ? (result.data as BodyOf<T>) : undefined
}
