/** How a function is scaled: as its version was published, and what was set since (the ledger's setting `scale/NAME`). */
import type { z } from 'zod'
import { jsonAs } from './json.ts'
import { type FunctionSettings, scaleConfigSchema } from './manifest.ts'

/** What was set; what is absent is as it was published. `idle` in milliseconds, or as people write it (`5m`). */
export type ScaleConfig = z.input<typeof scaleConfigSchema>

export type ScaleSettings = FunctionSettings['scale']

/** Of a setting's text, which may be of a newer node: what cannot be read sets nothing. */
export function scaleConfigOf(text: string): z.output<typeof scaleConfigSchema> {
  return jsonAs(scaleConfigSchema, text) ?? {}
}

export function scaledBy(published: ScaleSettings, set: z.output<typeof scaleConfigSchema> = {}): ScaleSettings {
  const { min = published.min, max = published.max, target = published.target, idle = published.idleMs } = set
  return { min, max, target, idleMs: idle }
}

const PREFIX = 'scale/'

/** The key of the setting. */
export function scaleKey(name: string): string {
  return PREFIX + name
}

/** The function whose scale the setting is; `undefined` for other settings. */
export function scaledName(key: string): string | undefined {
  return key.startsWith(PREFIX) ? key.slice(PREFIX.length) : undefined
}
