/** How long nodes did not so much as answer /livez: on a machine that is busy with others, what they do not run they cannot answer, and that is not the fault's doing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultNode } from './node.ts'

const EVERY_MS = 25
/** What an answer takes where there is a processor for it. */
const PROMPT_MS = 50
const GIVE_UP_MS = 10_000

export class Pulse {
  readonly #stalledMs = new Map<string, number>()
  /** Since when each is being asked. */
  readonly #askedAt = new Map<string, number>()
  readonly #looking: Promise<unknown>
  #isOver = false

  constructor(nodes: readonly FaultNode[]) {
    this.#looking = Promise.all(nodes.map((node) => this.#look(node)))
  }

  /** Of the node, until now. */
  stalledMs({ name }: FaultNode): number {
    return (this.#stalledMs.get(name) ?? 0) + lateMs(this.#askedAt.get(name))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#looking
  }

  async #look(node: FaultNode): Promise<void> {
    const url = `${node.state?.http}/livez`
    while (!this.#isOver) {
      this.#askedAt.set(node.name, performance.now())
      await fetch(url, { signal: AbortSignal.timeout(GIVE_UP_MS) }).then(
        (response) => response.text(),
        () => '',
      )
      this.#stalledMs.set(node.name, this.stalledMs(node))
      this.#askedAt.delete(node.name)
      await sleep(EVERY_MS)
    }
  }
}

function lateMs(askedAt: number | undefined): number {
  return askedAt === undefined ? 0 : Math.max(0, performance.now() - askedAt - PROMPT_MS)
}
