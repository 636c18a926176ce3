/** Checkpoints on which catalogs agree: signed by enough of them, by none that is honest without the entries on its disk, and of the view that these entries come to. */
import { publicKeyOf, verifySignature } from '#protocols/access'
import { decode, digestOf } from '#protocols/codec'
import type { CatalogService } from '#protocols/catalog'
import type { Node } from '../node.ts'
import type { World } from '../world.ts'
import { hashIn, keyOf } from './record.ts'

const DOMAIN = Buffer.from('osiris/checkpoint/shared/1\0')
const NEEDED_MAX = 3

type Status = ReturnType<CatalogService['status']>
type Agreed = NonNullable<ReturnType<CatalogService['checkpoints']['set']['agreed']>>
type Place = { author: string; seq: number; hash: string }

export class CheckpointCheck {
  readonly #world: World
  /** What entries came to on a node that had just these. */
  readonly #views = new Map<string, string>()
  readonly #judged = new Set<string>()

  constructor(world: World) {
    this.#world = world
  }

  look(node: Node, service: CatalogService, { heads, frozen, viewDigest }: Status): void {
    this.#views.set(nameOf(heads, frozen), viewDigest)
    const agreed = service.checkpoints.set.agreed()
    if (agreed === undefined) return
    const once = `${node.name} ${agreed.content.digest} ${agreed.statements.length}`
    if (this.#judged.has(once)) return
    this.#judged.add(once)
    this.#world.history.counts.checkpoints += 1
    this.#judge(node, agreed)
  }

  #judge(node: Node, { content, statements }: Agreed): void {
    const { keepers } = this.#world
    const act = `${node.name} believes a checkpoint of ${content.entries} entries`
    const fail = (text: string) => this.#world.fail('checkpoints are true', `${act} ${text}`)
    const signers = new Set(statements.filter((each) => isSigned(each, content.bytes)).map(({ signer }) => signer))
    // Whether the hostile one is counted depends on whether it is frozen.
    if (signers.size < Math.min(NEEDED_MAX, Math.floor(keepers.length / 2) + 1)) fail(`that ${signers.size} signed`)
    for (const keeper of keepers.filter(({ identity, disk }) => signers.has(identity.id) && !disk.damaged)) {
      const lacking = content.feeds.find(({ author, seq, hash }) => hashIn(keeper.disk.durable().get(keyOf(author, seq))) !== hash)
      if (lacking !== undefined) fail(`though ${keeper.name}, which signed it, lacks ${lacking.author.slice(0, 6)}/${lacking.seq}`)
    }
    const view = this.#views.get(nameOf(content.feeds, content.frozen))
    if (view !== undefined && view !== content.view) fail('whose view is another')
  }
}

function isSigned({ signer, payload, signature }: Agreed['statements'][number], content: Uint8Array): boolean {
  const said = decode(payload) as { signer: string; content: string }
  const isOfIt = said.signer === signer && said.content === digestOf(content)
  return isOfIt && verifySignature(publicKeyOf(signer), Buffer.concat([DOMAIN, payload]), signature)
}

function nameOf(places: readonly Place[], frozen: readonly { author: string; seq: number }[]): string {
  return JSON.stringify([places.map(({ author, seq, hash }) => [author, seq, hash]), frozen.map(({ author, seq }) => [author, seq])])
}
