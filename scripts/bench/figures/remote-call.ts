/** A warm call through another node (router here, executor there), against its two unavoidable parts. */
import { fileURLToPath } from 'node:url'
import type { Bench, Figure } from '../bench.ts'
import { background, run } from '../children.ts'
import { callable, deploy, Osiris } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { interleave } from '../rounds.ts'
import { median, round } from '../stats.ts'
import { assertServes, BODY, NAME, PATH, SOURCE } from '../subject.ts'

const CALLS = 2000
const IN_FLIGHT = 64
const CONTENDERS = ['remote', 'local', 'trip'] as const
const RAW = fileURLToPath(new URL('../contenders/raw-libp2p.ts', import.meta.url))

export const remoteCall: Figure = {
  name: 'remote-call',
  async measure(bench) {
    const urls = await startPair(bench)
    const raw = background(bench.cleanup, process.execPath, [RAW, 'listen'])
    const address = await raw.firstLine
    const probes = { remote: new Probe(), local: new Probe() }
    const measure = async (name: (typeof CONTENDERS)[number]) => {
      if (name !== 'trip') return median(await probes[name].times({ url: urls[name], body: BODY }, CALLS))
      return median(
        JSON.parse(
          (await run(process.execPath, [RAW, 'dial', address, String(CALLS)], { signal: bench.cleanup.signal })).stdout,
        ) as number[],
      )
    }

    bench.say('a call through another node, and its parts')
    await interleave(1, CONTENDERS, measure)
    const p50Us = await interleave(bench.rounds, CONTENDERS, measure)
    for (const probe of Object.values(probes)) probe.close()
    await raw.stop()

    bench.say(`${IN_FLIGHT} in flight through another node`)
    const load = () => bench.load.run({ url: urls.remote, body: BODY, connections: IN_FLIGHT, durationMs: bench.roundMs })
    await interleave(1, ['remote'], load)
    const loads = (await interleave(bench.rounds, ['remote'], load)).remote
    const parts = median(p50Us.trip) + median(p50Us.local)
    return [
      {
        what: 'warm call through another node: p50 against one raw round trip + a local call',
        measured: round(median(p50Us.remote) / parts),
        unit: '×',
        bar: { kind: 'most', value: 1.5 },
        detail: { p50Us },
      },
      {
        what: 'warm call through another node: 64 in flight',
        measured: round(median(loads.map((each) => each.requestsPerSecond)), 0),
        unit: 'calls/s',
        bar: { kind: 'least', value: 8000 },
        detail: { loads },
      },
    ]
  },
}

async function startPair(bench: Bench): Promise<{ remote: string; local: string }> {
  const osiris = await Osiris.create(bench.cleanup)
  const there = await osiris.startNode('there', 'router,catalog,builder,executor')
  const here = await osiris.startNode('here', 'router', there.joinToken)
  await deploy(there.http, NAME, SOURCE)
  await callable(here.http, NAME, BODY)
  for (const base of [there.http, here.http]) {
    const { headers } = await assertServes(base)
    if (headers.get('osiris-node') !== 'there') throw new Error(`${base} ran the function on ${headers.get('osiris-node')}`)
  }
  return { remote: here.http + PATH, local: there.http + PATH }
}
