/** What sets a node apart from others (labels, a region), and what a function asks of the node it runs on (`place:`). Pure. */
import { z } from 'zod'

const LABELS_MAX = 16
const TEXT_MAX = 64
const REGIONS_MAX = 16

const labelName = z
  .string()
  .max(TEXT_MAX)
  .regex(
    /^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]*[a-zA-Z0-9])?$/,
    'a label is letters, digits, ".", "_", "/" and "-", a letter or digit first and last',
  )
const labelValue = z
  .string()
  .max(TEXT_MAX)
  .regex(/^[a-zA-Z0-9._:/-]*$/, 'the value of a label is letters, digits, ".", "_", ":", "/" and "-"')
export const regionSchema = z
  .string()
  .max(TEXT_MAX)
  .regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 'a region is lower-case letters, digits and "-", such as eu-west-1')

function fewLabels<T extends z.ZodType<Record<string, unknown>>>(schema: T) {
  return schema.refine((labels) => Object.keys(labels).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`)
}

/** At most 16, names and values of at most 64 characters. */
export const labelsSchema = fewLabels(z.record(labelName, labelValue))

/** As a person writes them: `gpu: true` is `gpu: "true"`. */
const writtenLabels = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)).pipe(labelsSchema)

/** A mapping, `gpu=true,disk=ssd`, or a list of such pairs; what comes out may go in again. */
export const labelPairsSchema = z
  .union([z.string(), z.array(z.string()), z.record(z.string(), z.unknown())])
  .transform((value) => (typeof value === 'string' || Array.isArray(value) ? pairsOf([value].flat().join()) : value))
  .pipe(writtenLabels)

function pairsOf(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return at < 0 ? [pair.trim(), 'true'] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    }),
  )
}

/** `place:` in osiris.yaml. */
export const placeConfigSchema = z.strictObject({
  labels: writtenLabels.optional(),
  regions: z.array(regionSchema).max(REGIONS_MAX).optional(),
})

/** The same in a manifest: all of the labels, and one of the regions where any is named. */
export const placeSchema = z.strictObject({ labels: labelsSchema, regions: z.array(regionSchema).max(REGIONS_MAX) })
export type Place = z.infer<typeof placeSchema>

/** Absent where nothing is asked. */
export function placeOf(config: z.output<typeof placeConfigSchema> | undefined): Place | undefined {
  const { labels = {}, regions = [] } = config ?? {}
  return Object.keys(labels).length === 0 && regions.length === 0 ? undefined : { labels, regions }
}

/** What a node says of itself; nobody else vouches for it. */
export interface Traits {
  readonly labels?: Readonly<Record<string, string>>
  readonly region?: string
}

export function fits(place: Place, traits: Traits): boolean {
  if (place.regions.length > 0 && !place.regions.includes(traits.region ?? '')) return false
  return Object.entries(place.labels).every(([name, value]) => hasLabel(traits, name, value))
}

/** Why none of them fits, to stand after "no member": `has the label gpu=true`. */
export function lackOf(place: Place, all: readonly Traits[]): string {
  const { regions } = place
  const labels = Object.entries(place.labels)
  const nobodys = labels.filter(([name, value]) => !all.some((each) => hasLabel(each, name, value)))
  if (nobodys.length > 0) return `has the label ${nobodys.map(([name, value]) => `${name}=${value}`).join(' or ')}`
  if (regions.length > 0 && !all.some((each) => regions.includes(each.region ?? ''))) return `is in the region ${regions.join(' or ')}`
  const wanted = labels.map(([name, value]) => `${name}=${value}`)
  return `has all of ${[...wanted, ...(regions.length > 0 ? [`region ${regions.join(' or ')}`] : [])].join(', ')}`
}

function hasLabel({ labels }: Traits, name: string, value: string): boolean {
  return labels !== undefined && Object.hasOwn(labels, name) && labels[name] === value
}
