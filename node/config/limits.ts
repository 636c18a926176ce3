/** The operator's `limits:`: the most a function, a namespace and all of them together get on this node. */
import { z } from 'zod'
import type { ExecutorLimits } from '#protocols/executor'
import { byteSize, durationMs } from '#protocols/manifest'

const MIB = 1024 * 1024
const count = (min: number, max: number) =>
  z
    .union([z.number(), z.string()])
    .transform(Number)
    .refine((value) => Number.isInteger(value) && value >= min && value <= max, `expected a whole number between ${min} and ${max}`)

/** Keys of the same name as under `execution:` are its maxima; bounds are those of the manifest. */
const limitsShape = z.strictObject({
  timeout: durationMs(1, 900_000).optional(),
  cpu: durationMs(1, 900_000).optional(),
  memory: byteSize(8 * MIB, 4096 * MIB).optional(),
  payload: byteSize(0, 1024 * MIB).optional(),
  result: byteSize(0, 1024 * MIB).optional(),
  logs: byteSize(0, 64 * MIB).optional(),
  requests: count(0, 10_000).optional(),
  timers: count(0, 100_000).optional(),
  concurrency: count(1, 10_000).optional(),
  /** Calls that wait, over all functions. */
  queue: count(0, 100_000).optional(),
  /** Memory of all workers together: what does not fit is overloaded. */
  totalMemory: byteSize(64 * MIB, 1024 * 1024 * MIB).optional(),
  /** Processors one namespace may use, on average of the last seconds. */
  namespaceCpu: z
    .union([z.number(), z.string()])
    .transform(Number)
    .refine((value) => value >= 0.01 && value <= 1024, 'expected a number of processors such as 1.5')
    .optional(),
  /** Bytes that the functions of one namespace fetch and send. */
  egressPerMinute: byteSize(0, 1024 * 1024 * MIB).optional(),
})

/** What comes out may go in again. A mapping, or `cpu=5s,memory=256MB` as an environment variable has it. */
export const limitsSchema = z
  .union([z.string(), z.record(z.string(), z.unknown())])
  .transform((value) => (typeof value === 'string' ? pairsOf(value) : value))
  .pipe(limitsShape)

function pairsOf(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return at < 0 ? [pair.trim(), ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    }),
  )
}

export function executorLimits(raw: z.output<typeof limitsShape>): Partial<ExecutorLimits> {
  const megabytes = (bytes: number | undefined) => (bytes === undefined ? undefined : Math.floor(bytes / MIB))
  const limits: { [K in keyof ExecutorLimits]?: number | undefined } = {
    timeoutMsMax: raw.timeout,
    cpuMsMax: raw.cpu,
    instanceMemoryMbMax: megabytes(raw.memory),
    payloadBytesMax: raw.payload,
    resultBytesMax: raw.result,
    logBytesMax: raw.logs,
    requestsMax: raw.requests,
    timersMax: raw.timers,
    concurrencyMax: raw.concurrency,
    queueMax: raw.queue,
    memoryMbMax: megabytes(raw.totalMemory),
    namespaceCpuMax: raw.namespaceCpu,
    egressBytesPerMinute: raw.egressPerMinute,
  }
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}
