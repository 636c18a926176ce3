/** What executors tell whoever decides about their functions, and what they are told back. */
import { z } from 'zod'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { nameSchema, versionSchema } from '#protocols/manifest'
import type { Message } from '#protocols/network'

export const SCALING_PROTOCOL = 'scaling/1'
/** Of one report: those with most calls are told first. */
export const ROWS_MAX = 512
/** A row takes up to 330 bytes. */
const BYTES_MAX = 256 * 1024

const count = z.int().min(0).max(1_000_000)
const version = { namespace: nameSchema, name: nameSchema, version: versionSchema }

const rowSchema = z.object({
  ...version,
  ...{ ready: count, starting: count, kept: count },
  /** Calls running and waiting, on average since the last report. */
  concurrency: z.number().min(0).max(1e9),
  /** Since the last call began; 0 while one runs or waits. */
  quietMs: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
})
/** One version on one executor. */
export type Row = z.infer<typeof rowSchema>

const orderSchema = z.object({ ...version, instances: z.int().min(0).max(1000) })
export type Order = z.infer<typeof orderSchema>

const reportSchema = z.array(rowSchema).max(ROWS_MAX)
const ordersSchema = z.array(orderSchema).max(ROWS_MAX)

export function encodeReport(rows: readonly Row[]): Message {
  return { head: encode([]), body: encode(rows) }
}

export async function collectReport({ body }: Message): Promise<Row[]> {
  return decodeAs(reportSchema, await collect(body, BYTES_MAX, 'a report of instances'), 'a report of instances')
}

export function encodeOrders(orders: readonly Order[]): Message {
  return { head: encode([]), body: encode(orders) }
}

export async function collectOrders({ body }: Message): Promise<Order[]> {
  return decodeAs(ordersSchema, await collect(body, BYTES_MAX, 'orders to scale'), 'orders to scale')
}
