/** What travels to an executor: placed invocations, answered by outcomes (both in `#protocols/invocation-wire`), and orders, answered by what is there. */
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import { nameSchema, versionSchema } from '#protocols/manifest'
import type { Message } from '#protocols/network'
import type { InstanceCount, ScaleOrder } from './executor.ts'

export const EXECUTOR_PROTOCOL = 'executor/1'
export const SCALE_PROTOCOL = 'executor-scale/1'

const count = z.int().min(0).max(1_000_000)
const version = { namespace: nameSchema, name: nameSchema, version: versionSchema }
/** As many as `scale.max` may be; for no longer than it takes to notice that whoever ordered is gone. */
const orderSchema = z.object({ ...version, instances: z.int().min(0).max(1000), lapseMs: z.int().min(0).max(60_000) })
const instanceCountSchema = z.object({
  ...version,
  ...{ ready: count, starting: count, kept: count, running: count, waiting: count },
  quietMs: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  callMs: z.number().min(0),
})

export function encodeOrder({ namespace, name, version: of, instances, lapseMs }: ScaleOrder): Message {
  return { head: encode({ namespace, name, version: of, instances, lapseMs }) }
}

export function decodeOrder({ head }: Message): ScaleOrder {
  return decodeAs(orderSchema, head, 'an order to scale')
}

export function encodeCount(instances: InstanceCount): Message {
  return { head: encode(instances) }
}

export function decodeCount({ head }: Message): InstanceCount {
  return decodeAs(instanceCountSchema, head, 'a count of instances')
}
