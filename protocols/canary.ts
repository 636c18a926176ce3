/**
 * A version that is given an alias's calls in steps, as long as it does no worse than those that had them: the shape of the ledger's setting
 * `promotion/NAME`. How it is judged and moved: protocols/router/promotion.
 */
import { z } from 'zod'
import { jsonAs } from './json.ts'
import { nameSchema, versionSchema } from './manifest.ts'

/** Shares a canary passes, in percent, after the one it begins with; at the last it has all. */
const STEPS = [10, 25, 50, 100]
const PREFIX = 'promotion/'
/** Steps are watched as long as there is something to see: a second at least, a week at most. */
export const WATCH_MS_MIN = 1000
export const WATCH_MS_MAX = 7 * 86_400_000

const weightSchema = z.int().min(1).max(100)
const targetsSchema = z
  .array(z.object({ version: versionSchema, weight: weightSchema }))
  .min(1)
  .max(16)

/** What somebody asks for. */
export const canaryPlanSchema = z.strictObject({
  /** What may stand after an `@`. */
  version: z.string().min(1).max(64),
  /** Percent to begin with. Default 10. */
  weight: z.int().min(1).max(99).optional(),
  /** How long each step is watched, milliseconds. Default 5 minutes. */
  watchMs: z.int().min(WATCH_MS_MIN).max(WATCH_MS_MAX).optional(),
  /** Default `live`. */
  alias: nameSchema.optional(),
})

export const CANARY_STATES = ['running', 'done', 'turned back', 'aborted'] as const

const canarySchema = z.object({
  /** 32 hex characters: this canary, and no other of the same function. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  alias: nameSchema,
  version: versionSchema,
  /** What the alias meant before, and means again when the canary turns back. */
  base: targetsSchema,
  /** Percent, growing; the last is 100. */
  steps: z.array(weightSchema).min(2).max(8),
  /** Which of them it is at. */
  step: z.int().min(0).max(7),
  watchMs: z.int().min(WATCH_MS_MIN).max(WATCH_MS_MAX),
  /** Wall clock, milliseconds: when it began, and when it came to this step or ended. */
  startedAt: z.int().min(0),
  since: z.int().min(0),
  state: z.enum(CANARY_STATES),
  /** Whether the alias means what the end says. */
  settled: z.boolean(),
  /** Why it ended, as a sentence; empty while it runs. */
  why: z.string().max(512),
  /** Who asked for it. */
  by: z.string().max(256),
})
export type Canary = z.infer<typeof canarySchema>

/** 10 → 10, 25, 50, 100. */
export function stepsFrom(weight: number): number[] {
  return [weight, ...STEPS.filter((each) => each > weight)]
}

/** The key of the setting. */
export function canaryKey(name: string): string {
  return PREFIX + name
}

/** The function whose canary the setting is; `undefined` for other settings. */
export function canaryName(key: string): string | undefined {
  return key.startsWith(PREFIX) ? key.slice(PREFIX.length) : undefined
}

/** Of a setting's text, which may be of a newer node; `undefined` for what cannot be read. */
export function canaryOf(text: string): Canary | undefined {
  const canary = jsonAs(canarySchema, text)
  return canary !== undefined && canary.step < canary.steps.length ? canary : undefined
}
