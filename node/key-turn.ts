/** This node's key is replaced while it runs: the next one is made and on disk, the last entry of the old one says that it took over, and the node goes on with it. */
import { type Identity, universeId } from '#protocols/access'
import { type CatalogClient, type CatalogService, type NodeRotated, rotateFollower, type WriteOptions } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'
import type { Host } from './host.ts'

export interface KeyTurnInit {
  host: Pick<Host, 'nodeKey' | 'universe'>
  network: Network
  /** On a node that keeps the ledger; else `client`. */
  service: CatalogService | undefined
  client: Pick<CatalogClient, 'standing'> | undefined
  clock: Clock
  random: Random
  /** Has the node stop and start again, with the key that counts by then. */
  renew: () => void
}

export class KeyTurn {
  readonly #init: KeyTurnInit
  #running = false

  constructor(init: KeyTurnInit) {
    this.#init = init
  }

  /** Resolves when the old key has ended; the node is renewed behind it. Throws `conflict`, `forbidden`, `unavailable`, `storage_full`. */
  async rotate(options: Pick<WriteOptions, 'ack' | 'timeoutMs'>): Promise<NodeRotated> {
    if (this.#running) throw new OsirisError('conflict', "Cannot rotate this node's key: another rotation is under way")
    this.#running = true
    const { nodeKey } = this.#init.host
    let ended = false
    try {
      const next = await nodeKey.next()
      const keep = async (entry: Uint8Array) => {
        ended = true
        await nodeKey.tookOver(entry)
      }
      return { ...(await this.#write({ next, keep }, options)), to: next.id }
    } finally {
      this.#running = false
      if (ended) this.#init.renew()
    }
  }

  /** Renews the node where the ledger says that the key which waits here took over: a process ended before it could, and what it wrote came back from the others. Returns the way to stop. */
  watch(): () => void {
    const { service, host, renew } = this.#init
    if (service === undefined) return () => {}
    const look = async () => {
      const heir = service.authority().heirOf(host.nodeKey.identity.id)
      if (heir === undefined || this.#running) return
      if ((await host.nodeKey.waiting().catch(() => undefined))?.id === heir) renew()
    }
    void look()
    return service.authority().onChange(() => void look())
  }

  #write(rotating: { next: Identity; keep: (entry: Uint8Array) => Promise<void> }, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>) {
    const { service, client, host, network, clock, random } = this.#init
    if (service !== undefined) return service.succession.rotateNode(rotating, options)
    const { standing } = client ?? {}
    if (standing === undefined) throw new OsirisError('unavailable', "Cannot rotate this node's key: it does not follow who is a member")
    return rotateFollower({ own: host.nodeKey.identity, universe: universeId(host.universe), standing, network, clock, random }, rotating)
  }
}
