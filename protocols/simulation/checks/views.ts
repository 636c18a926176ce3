/** What nodes say at the same moment: equal digests mean equal views, nobody's knowledge goes backwards, nothing is there that nobody may have put there. */
import type { FunctionRecord } from '#protocols/catalog'
import { encode } from '#protocols/codec'
import { CLOSED, HOSTILE, LENT } from '../cast.ts'
import type { Life, Node } from '../node.ts'
import type { World } from '../world.ts'
import { CheckpointCheck } from './checkpoints.ts'

/** How often everybody is asked. */
const EVERY_MS = 100
/** Things one node may have waiting at once, timers included; far above what a busy one has. */
const WAITING_MAX = 2000

/** A row is the same object until it changes. */
const texts = new WeakMap<FunctionRecord, string>()
function textOf(record: FunctionRecord): string {
  let text = texts.get(record)
  if (text === undefined) texts.set(record, (text = Buffer.from(encode(record)).toString('latin1')))
  return text
}

export class ViewCheck {
  readonly #world: World
  /** What each digest was seen to stand for. */
  readonly #views = new Map<string, { text: string; node: string }>()
  readonly #heads = new Map<Life, Map<string, number>>()

  readonly #checkpoints: CheckpointCheck

  constructor(world: World) {
    this.#world = world
    this.#checkpoints = new CheckpointCheck(world)
  }

  start(): void {
    this.#world.after(EVERY_MS, () => {
      for (const node of this.#world.living) this.#look(node, node.life as Life)
      if (this.#world.violation === undefined) this.start()
    })
  }

  #look(node: Node, life: Life): void {
    if (life.waiting > WAITING_MAX) this.#world.fail('queues are bounded', `${node.name} has ${life.waiting} things waiting`)
    if (life.service === undefined) return
    const status = life.service.status()
    const { viewDigest, heads, frozen, unproven } = status
    if (unproven > 0) this.#world.history.counts.joins += 1
    this.#checkpoints.look(node, life.service, status)
    const accused = frozen.find(({ author }) => author !== HOSTILE.id)
    if (accused !== undefined)
      this.#world.fail('nobody honest is accused', `${node.name} has frozen ${accused.author.slice(0, 6)}/${accused.seq}`)
    const text = life.service.list({}).map(textOf).join('')
    const seen = this.#views.get(viewDigest)
    if (seen === undefined) this.#judgeContent(node, life)
    if (seen === undefined) this.#views.set(viewDigest, { text, node: node.name })
    else if (seen.text !== text) this.#world.fail('equal digests mean equal views', `${node.name} and ${seen.node} differ`)
    this.#judgeHeads(node, life, heads)
  }

  #judgeHeads(node: Node, life: Life, heads: readonly { author: string; seq: number }[]): void {
    const before = this.#heads.get(life) ?? new Map<string, number>()
    this.#heads.set(life, before)
    for (const { author, seq } of heads) {
      // What a forked author wrote is taken back.
      if (author === HOSTILE.id) continue
      if (seq < (before.get(author) ?? 0))
        this.#world.fail('reads are monotonic', `${node.name} went back from ${author.slice(0, 6)}/${before.get(author)} to ${seq}`)
      before.set(author, seq)
    }
  }

  #judgeContent(node: Node, life: Life): void {
    for (const { namespace, name } of life.service?.list({}) ?? []) {
      if (namespace === LENT) this.#world.history.counts.loans += 1
      if (namespace === CLOSED) this.#world.fail('nothing unauthorised', `${node.name} shows "${namespace}/${name}"`)
      const versions = life.service?.versions(namespace, name)
      if (versions === undefined || versions instanceof Promise) continue
      const stray = versions.find((each) => !this.#world.history.versions.has(each.version))
      if (stray !== undefined)
        this.#world.fail(
          'nothing unauthorised',
          `${node.name} shows ${namespace}/${name}@${stray.version.slice(0, 6)}, which nobody deployed`,
        )
    }
  }
}
