/** What 1,000 warm functions of one namespace hold on one node: the node and its workers, above the same node idle. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Figure } from '../bench.ts'
import { memoryOf, type ProcessMemory, sum } from '../memory.ts'
import { deploy, Osiris } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { median, round } from '../stats.ts'
import { BODY, NAMESPACE, SOURCE } from '../subject.ts'

const FUNCTIONS = 1000
const MIB = 1024 * 1024
/** A node that starts, or was just busy, is given this long to become quiet… */
const IDLE_MS = 5000
/** …and one full of functions this long: what is to be put away is put away in the seconds after the calls. */
const SETTLE_MS = 20_000
/** Deploys at once: building is what takes the time. */
const LANES = 4

export const density: Figure = {
  name: 'density',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const { http, pid } = await osiris.startNode('dense', 'router,catalog,builder,executor')
    await sleep(IDLE_MS)
    const idle = memoryOf(pid)
    const names = Array.from({ length: Math.ceil(FUNCTIONS / bench.divisor) }, (_, i) => `dense-${i}`)
    bench.say(`${names.length} functions, each deployed and called once`)
    await deployAll(http, names)
    await sleep(IDLE_MS)
    const deployed = memoryOf(pid)

    const probe = new Probe()
    const callUs = async (name: string) => probe.time({ url: `${http}/v1/call/${NAMESPACE}/${name}`, body: BODY })
    const coldUs: number[] = []
    for (const name of names) coldUs.push(await callUs(name))
    const called = memoryOf(pid)
    await sleep(SETTLE_MS)
    const settled = memoryOf(pid)
    // That they are warm is part of the figure: a second call of each finds its instance.
    let cold = 0
    for (const name of names) if (await startsCold(http, name)) cold++
    probe.close()
    const again = memoryOf(pid)
    const aboveIdleMb = (family: ProcessMemory[]) => round((sum(family) - sum(idle)) / MIB)
    if (cold > 0) throw new Error(`Cannot measure the density: ${cold} of ${names.length} functions were not warm any more`)
    return [
      {
        what: `${names.length} warm functions of one namespace: memory above an idle node`,
        measured: Math.max(aboveIdleMb(settled), aboveIdleMb(again)),
        unit: 'MB',
        bar: { kind: 'most', value: 1024 },
        detail: {
          deployedMb: aboveIdleMb(deployed),
          calledMb: aboveIdleMb(called),
          settledMb: aboveIdleMb(settled),
          calledAgainMb: aboveIdleMb(again),
          processesMb: again.map((each) => round(each.pssBytes / MIB)),
          idleProcessesMb: idle.map((each) => round(each.pssBytes / MIB)),
          firstCallP50Us: round(median(coldUs), 0),
        },
      },
    ]
  },
}

async function deployAll(http: string, names: string[]): Promise<void> {
  const left = [...names]
  const lane = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      // Distinct sources: equal ones would be one artifact.
      await deploy(http, name, `${SOURCE}// ${name}\nexport const label = '${name}'\n`)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** Calls it once more: whether an instance had to be made for it. */
async function startsCold(http: string, name: string): Promise<boolean> {
  const response = await fetch(`${http}/v1/call/${NAMESPACE}/${name}`, { method: 'POST', body: BODY })
  const text = await response.text()
  if (!response.ok) throw new Error(`${name} answered ${response.status}: ${text}`)
  return !/cold;dur=0(,|$)/.test(response.headers.get('server-timing') ?? '')
}
