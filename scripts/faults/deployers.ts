/** Load: callers that deploy one small version after the other, to whichever node is ready, and remember every answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import type { Receipt } from '#sdk'
import { Dice } from './dice.ts'
import type { FaultNode } from './node.ts'

export const NAMESPACE = 'faults'
const PAUSE_MS_MAX = 120
/** A write that nobody confirms is given up for the next one. */
const COMMIT_MS = 4000
/** A refusal by a node that is about to end is followed by many more. */
const REFUSED_PAUSE_MS = 50

/** A write whose answer said that it stands. */
export interface Acknowledged {
  /** `namespace/name`, and how it was put. */
  name: string
  source: string
  /** `null` where the answer was `not_committed`: it says that the entry stands, and names it. */
  version: string | null
  ack: 'accepted' | 'committed'
  /** Who answered. */
  node: string
  entry: Pick<Receipt, 'author' | 'seq' | 'hash'>
  /** How many strikes there had been. */
  strike: number
}

export interface DeployersInit {
  count: number
  seed: number
  /** Between two deploys of one caller, at most. */
  pauseMs?: number
  ready: () => FaultNode[]
  strikes: () => number
}

export class Deployers {
  readonly acknowledged: Acknowledged[] = []
  /** By code: what was answered instead. */
  readonly refused = new Map<string, number>()
  readonly #init: DeployersInit
  readonly #next: number[]
  readonly #dice: Dice[]
  #stopped = true
  #running: Promise<unknown> = Promise.resolve()

  constructor(init: DeployersInit) {
    this.#init = init
    this.#next = Array.from({ length: init.count }, () => 0)
    this.#dice = this.#next.map((_, index) => new Dice(init.seed, `deployer ${index}`))
  }

  start(): void {
    this.#stopped = false
    this.#running = Promise.all(this.#dice.map((dice, index) => this.#run(index, dice)))
  }

  /** Resolves when every answer is in. */
  async pause(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(index: number, dice: Dice): Promise<void> {
    while (!this.#stopped) {
      const node = dice.pick(this.#init.ready())
      if (node !== undefined) await this.#deploy(index, dice, node)
      await sleep(node === undefined ? REFUSED_PAUSE_MS : dice.int(this.#init.pauseMs ?? PAUSE_MS_MAX))
    }
  }

  async #deploy(index: number, dice: Dice, node: FaultNode): Promise<void> {
    const count = ((this.#next[index] as number) += 1)
    const name = `f${index}-${count % 8}`
    const source = `export default () => ${JSON.stringify(`${index} ${count}`)}`
    const ack = dice.chance(0.5) ? 'committed' : 'accepted'
    const what = { name: `${NAMESPACE}/${name}`, source, ack, node: node.name, strike: this.#init.strikes() } as const
    const asked = { namespace: NAMESPACE, name, source, language: 'javascript', ack, timeoutMs: COMMIT_MS } as const
    try {
      const deployed = await node.client?.deploy(asked)
      if (deployed !== undefined) this.acknowledged.push({ ...what, version: deployed.version, entry: deployed.receipt })
    } catch (error) {
      const { code, details } = OsirisError.from(error, 'Cannot deploy')
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1)
      const receipt = details?.['receipt'] as Receipt | undefined
      if (code === 'not_committed' && receipt !== undefined)
        this.acknowledged.push({ ...what, ack: 'accepted', version: null, entry: receipt })
      await sleep(REFUSED_PAUSE_MS)
    }
  }
}
