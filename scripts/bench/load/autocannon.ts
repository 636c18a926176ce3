/** autocannon in its own process: its argument is a Load as JSON, its last line a result as JSON. Latencies are taken from each answer, since its own histogram counts whole milliseconds. */
import autocannon from 'autocannon'
import { percentile } from '../stats.ts'
import type { Load } from './load.ts'

const load = JSON.parse(process.argv[2] ?? '') as Load
const latenciesUs: number[] = []
let failures = 0

const start = performance.now()
const running = autocannon({
  url: load.url,
  method: 'POST',
  body: load.body,
  headers: { 'content-type': 'application/json' },
  connections: load.connections,
  duration: load.durationMs / 1000,
})
running.on('response', (_client, status, _bytes, latencyMs) => {
  latenciesUs.push(latencyMs * 1000)
  if (status !== 200) failures += 1
})
const { errors, timeouts } = await running
const seconds = (performance.now() - start) / 1000
const result = { requestsPerSecond: latenciesUs.length / seconds, p50Us: percentile(latenciesUs, 50), p99Us: percentile(latenciesUs, 99) }
console.log(JSON.stringify({ ...result, failures: failures + errors + timeouts }))
