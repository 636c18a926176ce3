/** The first call of a function that never ran, its artifact on this node's disk, above a warm call. */
import type { Figure } from '../bench.ts'
import { deploy, Osiris } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { median, percentile, round } from '../stats.ts'
import { assertServes, BODY, NAME, NAMESPACE, PATH, SOURCE } from '../subject.ts'

const FUNCTIONS = 200
const WARM_UP = 500
/** Warm calls before each cold one, so that both see the machine in the same state. */
const WARM_BETWEEN = 5

export const coldCall: Figure = {
  name: 'cold-call',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const { http } = await osiris.startNode('cold', 'router,catalog,builder,executor')
    const names = Array.from({ length: Math.ceil(FUNCTIONS / bench.divisor) }, (_, i) => `cold-${i}`)
    bench.say(`${names.length} functions, each called once`)
    await deploy(http, NAME, SOURCE)
    // Distinct sources: equal ones would be one artifact.
    for (const name of names) await deploy(http, name, `${SOURCE}// ${name}\nexport const label = '${name}'\n`)
    await assertServes(http)

    const probe = new Probe()
    const warm = { url: http + PATH, body: BODY }
    await probe.times(warm, WARM_UP)
    const warmUs: number[] = []
    const coldUs: number[] = []
    for (const name of names) {
      warmUs.push(...(await probe.times(warm, WARM_BETWEEN)))
      coldUs.push(await probe.time({ url: `${http}/v1/call/${NAMESPACE}/${name}`, body: BODY }))
    }
    probe.close()
    const base = median(warmUs)
    const aboveMs = (p: number) => round((percentile(coldUs, p) - base) / 1000)
    const detail = { warmP50Us: round(base), coldUs: coldUs.map((each) => round(each, 0)) }
    return [
      { what: 'cold first call above a warm one: p50', measured: aboveMs(50), unit: 'ms', bar: { kind: 'most', value: 3 }, detail },
      { what: 'cold first call above a warm one: p99', measured: aboveMs(99), unit: 'ms', bar: { kind: 'most', value: 10 }, detail: {} },
    ]
  },
}
