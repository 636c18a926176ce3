/** JSON text that others wrote, newer nodes among them: what it says, or nothing. No dependencies: the browser SDK uses this file too. */
import type { z } from 'zod'

/** What the schema makes of it; `undefined` for what it refuses, and for what is no JSON. */
export function jsonAs<S extends z.ZodType>(schema: S, text: string): z.output<S> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** The object it is; `undefined` for anything else. */
export function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
