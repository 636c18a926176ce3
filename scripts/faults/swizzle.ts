/** THREATS 3, swizzle-clog: links stop one after the other, and come back in another order. */
import { setTimeout as sleep } from 'node:timers/promises'
import { between, type Direction, shuffled } from './wires/shapes.ts'
import { type Play, underNetwork } from './network.ts'

/** From one link to the next; members are given up after 4.5 s, so that some are and some are not. */
const STEP_MS_MAX = 1200

export const swizzle = underNetwork({
  name: 'swizzle',
  does: 'links between nodes stop one after the other until most are cut, and come back one after the other in another order, at random moments',
  holds:
    'nothing acknowledged is lost, no call is started twice, every call ends in time; all agree and answer calls within 10 s of the last link',
  strikes: 20,
  lastsMs: 0,
  async play({ lab, dice, universe }: Play) {
    const count = universe.nodes.length
    const pairs = Array.from({ length: count }, (_, from) => Array.from({ length: from }, (_link, to) => between([[from], [to]]))).flat()
    const chosen = shuffled(pairs.length, (most) => dice.int(most)).slice(0, Math.ceil(pairs.length * 0.7))
    for (const at of chosen) await turn(pairs[at] ?? [], true)
    for (const at of shuffled(chosen.length, (most) => dice.int(most))) await turn(pairs[chosen[at] as number] ?? [], false)
    return []

    async function turn(link: Direction[], isCut: boolean): Promise<void> {
      await lab.set(link, { isCut })
      await sleep(dice.int(STEP_MS_MAX))
    }
  },
})
