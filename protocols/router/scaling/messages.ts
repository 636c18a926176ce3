/** What executors tell whoever decides about their functions, and what they are told back. */
import { z } from 'zod'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { nameSchema, versionSchema } from '#protocols/manifest'
import type { Message } from '#protocols/network'

export const SCALING_PROTOCOL = 'scaling/1'
export const SCALE_STATE_PROTOCOL = 'scale-state/1'
/** Of one report: those with most calls are told first. */
export const ROWS_MAX = 512
/** A row takes up to 330 bytes. */
const BYTES_MAX = 256 * 1024

/** Versions of one function that are in use. */
const VERSIONS_MAX = 64
/** Members of a mesh that a node keeps. */
const MEMBERS_MAX = 1024

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

/** What a decider sees and wants of one version. */
const wantedSchema = z.object({
  version: versionSchema,
  instances: count,
  ready: count,
  isPanic: z.boolean(),
  /** Executors that have some, by peer. */
  nodes: z.array(z.object({ peer: z.string().max(128), ready: count })).max(MEMBERS_MAX),
})
export type VersionScale = z.infer<typeof wantedSchema>

const askSchema = z.object({ namespace: nameSchema, name: nameSchema })
const statesSchema = z.array(wantedSchema).max(VERSIONS_MAX)

export function encodeAsk(namespace: string, name: string): Message {
  return { head: encode({ namespace, name }) }
}

export function decodeAsk({ head }: Message): z.infer<typeof askSchema> {
  return decodeAs(askSchema, head, 'a question about a scale')
}

export function encodeStates(states: readonly VersionScale[]): Message {
  return { head: encode([]), body: encode(states.slice(0, VERSIONS_MAX)) }
}

export async function collectStates({ body }: Message): Promise<VersionScale[]> {
  return decodeAs(statesSchema, await collect(body, BYTES_MAX, 'the answer about a scale'), 'the answer about a scale')
}

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
