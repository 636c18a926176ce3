/** How the command line on this host acts, and the developer in a universe for development: from the configuration, else by the root key where it is here, else as a join token brought it. */
import { type Identity, issueTokenBy, universeId } from '#protocols/access'
import type { RootKeys } from '#protocols/catalog'
import { type Clock, systemClock } from '#protocols/lifecycle'
import type { NodeConfig } from '#node/config'
import type { Host } from './host.ts'

/** Issued anew at every start. */
const VALID_MS = 365 * 24 * 3_600_000

/** A neighbour that rotated the root has the next token a moment later. */
const AGAIN_MS = 500
/** What a key held is believed for 3 s, where its end was not heard of (`Access`). */
const SETTLED_MS = 4000

export interface Neighbours {
  /** Whether a token counts, as far as can be told. */
  isGood: (token: string) => Promise<boolean>
  /** Of the nodes of this machine. */
  tokens: () => string[]
  /** Calls when the ledger says something else of somebody. Returns the way to stop. */
  onStanding: (listener: () => void) => () => void
  clock: Clock
}

export class OwnToken {
  readonly #universe: string
  readonly #listeners: (() => void)[] = []
  #signer: string | undefined
  #token: string | undefined

  private constructor({ universe }: Host) {
    this.#universe = universeId(universe)
  }

  static async of(config: Pick<NodeConfig, 'developerToken'>, host: Host): Promise<OwnToken> {
    const own = new OwnToken(host)
    const root = host.rootKeys.held.at(-1)
    if (config.developerToken !== undefined) own.#token = config.developerToken
    else if (root !== undefined) await own.#signBy(root)
    else own.#token = host.callerToken
    return own
  }

  /** Changes when the root's key does. */
  get token(): string | undefined {
    return this.#token
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** The same keys; a token of one that ended is good for nothing, so that the next one signs another. */
  following(keys: RootKeys): RootKeys {
    return {
      ...keys,
      tookOver: async (key) => {
        await keys.tookOver(key)
        if (this.#signer === undefined || this.#signer === key.id) return
        await this.#signBy(key)
        for (const listener of this.#listeners) listener()
      },
    }
  }

  /**
   * In a universe for development: once the key that signed this token ended, one that counts is taken from the other nodes on this machine, so that nothing
   * need be started anew. Returns the way to stop.
   */
  followNeighbours({ isGood, tokens, onStanding, clock }: Neighbours): () => void {
    let cancel = () => {}
    let stopped = false
    const look = async (again: boolean) => {
      cancel()
      if (this.#token === undefined || this.#signer !== undefined || stopped) return
      if (await isGood(this.#token)) {
        if (again && !stopped) cancel = clock.after(SETTLED_MS, () => void look(false))
        return
      }
      for (const token of tokens()) {
        if (!(await isGood(token)) || stopped) continue
        this.#token = token
        for (const listener of this.#listeners) listener()
        return
      }
      if (!stopped) cancel = clock.after(AGAIN_MS, () => void look(true))
    }
    const stop = onStanding(() => void look(true))
    void look(true)
    return () => {
      stopped = true
      stop()
      cancel()
    }
  }

  async #signBy(root: Identity): Promise<void> {
    this.#token = await issueTokenBy(
      root,
      this.#universe,
      'developer',
      [{ can: ['admin'], namespaces: ['*'] }],
      systemClock.now() + VALID_MS,
    )
    this.#signer = root.id
  }
}
