/** Code the engine cannot interrupt: how long after its deadline its caller has the answer. */
import { Agent } from 'node:http'
import type { Figure } from '../bench.ts'
import { callOnce } from '../hostile-callers.ts'
import { deploy, Osiris } from '../osiris.ts'
import { median, percentile, round } from '../stats.ts'

const NAMESPACE = 'hostile'
const TIMEOUT_MS = 300
const CALLS_EACH = 24
const KINDS = {
  'big-int': 'export default () => { let a = 3n ** 100000n; for (;;) a *= a }',
  'index-of': 'export default () => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  regex: 'export default () => /^(a+)+$/.test("a".repeat(60) + "b")',
} as const

export const kill: Figure = {
  name: 'kill',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const node = await osiris.startNode('kill', 'router,catalog,builder,executor')
    const config = { execution: { timeout: `${TIMEOUT_MS}ms`, memory: '256MB' } }
    for (const [name, source] of Object.entries(KINDS)) await deploy(node.http, name, source, { namespace: NAMESPACE, config })
    const agent = new Agent({ keepAlive: true })
    const lateMs: { [kind: string]: number[] } = {}
    const call = async (name: string) => {
      const { ms, code } = await callOnce({ url: `${node.http}/v1/call/${NAMESPACE}/${name}`, body: '[]' }, agent)
      if (code !== 'deadline_exceeded') throw new Error(`${name} ended with ${code}, not with deadline_exceeded`)
      return ms - TIMEOUT_MS
    }
    bench.say(`${CALLS_EACH} calls each of ${Object.keys(KINDS).join(', ')}, one at a time`)
    for (let i = 0; i < Math.ceil(CALLS_EACH / bench.divisor); i++) {
      for (const name of Object.keys(KINDS)) (lateMs[name] ??= []).push(await call(name))
    }
    agent.destroy()
    const all = Object.values(lateMs).flat()
    return [
      {
        what: `code that cannot be interrupted: answered after its deadline, p99 of ${all.length} calls`,
        measured: round(percentile(all, 99), 0),
        unit: 'ms',
        bar: { kind: 'most', value: 250 },
        detail: {
          timeoutMs: TIMEOUT_MS,
          p50Ms: Object.fromEntries(Object.entries(lateMs).map(([name, ms]) => [name, round(median(ms), 0)])),
          lateMs,
        },
      },
    ]
  },
}
