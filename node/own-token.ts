/** How the command line on this host acts, and the developer in a universe for development: from the configuration, else by the root key where it is here, else as a join token brought it. */
import { type Identity, issueTokenBy, universeId } from '#protocols/access'
import type { RootKeys } from '#protocols/catalog'
import { systemClock } from '#protocols/lifecycle'
import type { NodeConfig } from '#node/config'
import type { Host } from './host.ts'

/** Issued anew at every start. */
const VALID_MS = 365 * 24 * 3_600_000

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
