/** What Osiris adds to a call when nothing else happens: one connection, against bare Node HTTP. */
import type { Figure } from '../bench.ts'
import { startBare } from '../contenders/contenders.ts'
import { deploy, Osiris } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { interleave } from '../rounds.ts'
import { median, round } from '../stats.ts'
import { assertServes, BODY, NAME, PATH, SOURCE } from '../subject.ts'

const CALLS = 2000
const CONTENDERS = ['osiris', 'bare'] as const

export const oneConnection: Figure = {
  name: 'one-connection',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const node = await osiris.startNode('one', 'router,catalog,builder,executor')
    await deploy(node.http, NAME, SOURCE)
    await assertServes(node.http)
    const bare = await startBare(bench.cleanup)
    const urls = { osiris: node.http + PATH, bare: bare.base + PATH }
    const probes = { osiris: new Probe(), bare: new Probe() }
    const measure = async (name: keyof typeof urls) => median(await probes[name].times({ url: urls[name], body: BODY }, CALLS))

    bench.say('one connection, one call at a time')
    await interleave(1, CONTENDERS, measure)
    const p50Us = await interleave(bench.rounds, CONTENDERS, measure)
    for (const probe of Object.values(probes)) probe.close()
    await bare.stop()
    return [
      {
        what: 'warm call, one connection: added to bare Node HTTP, p50',
        measured: round(median(p50Us.osiris) - median(p50Us.bare), 0),
        unit: 'µs',
        bar: { kind: 'most', value: 150 },
        detail: { p50Us },
      },
    ]
  },
}
