/** What the known types of entries say. A body that does not fit its type is kept like an unknown type: in the feed, without effect on the view. */
import { z } from 'zod'
import { manifestSchema, nameSchema, versionSchema } from '#protocols/manifest'

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

/** The first entry of the root's feed: which universe this is, and by whose authority. */
export const genesisSchema = z.strictObject({ name: nameSchema, root: z.string().regex(/^[0-9a-f]{64}$/) })
/** Makes the manifest a version of its function and points `live` at it. */
export const publishSchema = z.strictObject({ manifest: manifestSchema })
/** Points an alias at versions published before. */
export const pointSchema = z.strictObject({ namespace: nameSchema, name: nameSchema, alias: aliasSchema, targets: targetsSchema })
/** Takes a function out of the view. */
export const retireSchema = z.strictObject({ namespace: nameSchema, name: nameSchema })

export const bodySchemas = { genesis: genesisSchema, publish: publishSchema, point: pointSchema, retire: retireSchema } as const
export type EntryType = keyof typeof bodySchemas
export type BodyOf<T extends EntryType> = z.infer<(typeof bodySchemas)[T]>
