/** Copies of artifacts where they belong: the k first members by rendezvous hash fetch each new one in the background. */
import { type Network, type Peer, peerOf } from '#protocols/network'
import type { ArtifactFetcher } from './artifact-fetcher.ts'
import type { ArtifactStore } from './artifacts.ts'
import type { Entry } from './ledger/entry.ts'
import { rendezvous } from './rendezvous.ts'

/** Survives the loss of two holders at once. */
export const COPIES = 3
const AT_ONCE = 2
/** The largest artifact over 256 kbit/s; pieces have their own, shorter time. */
const FETCH_MS_MAX = 900_000
/** Beyond that, artifacts come when they are first asked for. */
const WAITING_MAX = 10_000

export class Placement {
  readonly #network: Network
  readonly #store: ArtifactStore
  readonly #fetcher: ArtifactFetcher
  /** Digest → who published it, and so has it. */
  readonly #waiting = new Map<string, Peer>()
  #running = 0

  constructor(init: { network: Network; store: ArtifactStore; fetcher: ArtifactFetcher }) {
    this.#network = init.network
    this.#store = init.store
    this.#fetcher = init.fetcher
  }

  /** Looks at fresh entries; returns at once. */
  consider(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const digest = artifactOf(entry)
      if (digest !== undefined && this.#waiting.size < WAITING_MAX && this.#isHolder(digest))
        this.#waiting.set(digest, peerOf(entry.author))
    }
    while (this.#running < AT_ONCE && this.#waiting.size > 0) void this.#work()
  }

  stop(): void {
    this.#waiting.clear()
  }

  #isHolder(digest: string): boolean {
    const peers = this.#network.members.withRole('catalog').map((member) => member.peer)
    return keepersOf(digest, [this.#network.peer, ...peers]).includes(this.#network.peer)
  }

  async #work(): Promise<void> {
    this.#running += 1
    for (const [digest, first] of this.#waiting) {
      this.#waiting.delete(digest)
      if (await this.#store.has(digest)) continue
      // What cannot be had now comes when it is first asked for.
      await this.#fetcher.keep(digest, { timeoutMs: FETCH_MS_MAX, first }).catch(() => {})
    }
    this.#running -= 1
  }
}

/** The members that keep a copy. */
export function keepersOf(digest: string, members: readonly Peer[]): Peer[] {
  return rendezvous(digest, members).slice(0, COPIES)
}

/** The digest of the artifact that a publish entry names. */
export function artifactOf(entry: Entry): string | undefined {
  if (entry.type !== 'publish') return undefined
  const { manifest } = entry.body as { manifest?: { artifact?: { digest?: unknown } } }
  const digest = manifest?.artifact?.digest
  return typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined
}
