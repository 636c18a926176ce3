/** Who is said to be here: nobody who has long been gone, everybody once all is healed, and under their own names. */
import { peerOf } from '#protocols/network'
import { HOSTILE } from '../cast.ts'
import type { Life, Node } from '../node.ts'
import type { World } from '../world.ts'

const EVERY_MS = 250
/** The contract's 5 s after the last beat, and the beat's own way. */
const FORGOTTEN_MS = 5_000 + 600

export class MemberCheck {
  readonly #world: World
  readonly #names = new Map<string, string>()
  constructor(world: World) {
    this.#world = world
    for (const node of world.nodes) this.#names.set(peerOf(node.identity.id), node.name)
    if (world.hasHostile) this.#names.set(peerOf(HOSTILE.id), 'hostile')
  }

  start(): void {
    this.#world.after(EVERY_MS, () => {
      for (const node of this.#world.living) this.#look(node, node.life as Life)
      if (this.#world.violation === undefined) this.start()
    })
  }

  #look(node: Node, life: Life): void {
    for (const { peer, name } of life.network.members.list()) {
      const real = this.#names.get(peer)
      const diedAt = this.#world.nodes.find((each) => each.name === real)?.diedAt
      // Whoever keeps to no rule may call itself what it likes.
      if (real === 'hostile') continue
      if (real !== name) this.#world.fail('members are who they are', `${node.name} takes ${real ?? 'a stranger'} for "${name}"`)
      const goneMs = this.#world.now - (diedAt ?? this.#world.now)
      if (goneMs > FORGOTTEN_MS)
        this.#world.fail('the dead are forgotten', `${node.name} lists "${name}", gone for ${Math.round(goneMs)} ms`)
    }
  }
}

/** Whether everybody sees everybody. */
export function allTogether(world: World): boolean {
  const peers = world.nodes.map((node) => peerOf(node.identity.id))
  return world.nodes.every((node) =>
    peers.every((peer) => node.life?.transport.peer === peer || node.life?.network.members.get(peer) !== undefined),
  )
}
