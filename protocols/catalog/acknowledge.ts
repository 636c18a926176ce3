/** Waits until a fresh entry is on disk elsewhere. */
import type { Clock } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'

export interface SpreadOptions {
  clock: Clock
  peers: readonly Peer[]
  /** Whether the peer has it on disk; may reject. */
  push: (peer: Peer) => Promise<boolean>
  /** Peers needed before it counts… */
  needed: number
  /** …of these. */
  counts: (peer: Peer) => boolean
  /** How long to go on waiting for the rest once enough have it. */
  restMs: number
  timeoutMs: number
}

/** How many of a set of `members` (the writer included) must hold an entry: a majority, of three at most (DESIGN 5). */
export function majorityOf(members: number): number {
  return Math.floor(Math.min(3, members) / 2) + 1
}

/** The peers that have it when all have answered, when enough have and `restMs` passed, or when the time is up. */
export function spread(options: SpreadOptions): Promise<Peer[]> {
  const { clock, peers, needed } = options
  return new Promise((resolve) => {
    const holders: Peer[] = []
    let open = peers.length
    let rested = false
    const cancels: (() => void)[] = []
    const end = () => {
      for (const cancel of cancels) cancel()
      resolve([...holders])
    }
    const look = () => {
      if (open === 0 || (rested && holders.filter(options.counts).length >= needed)) end()
    }
    const rest = () => {
      rested = true
      look()
    }
    cancels.push(clock.after(options.timeoutMs, end), clock.after(Math.min(options.restMs, options.timeoutMs), rest))
    const answered = (peer: Peer, held: boolean) => {
      open -= 1
      if (held) holders.push(peer)
      look()
    }
    for (const peer of peers)
      options.push(peer).then(
        (held) => answered(peer, held),
        () => answered(peer, false),
      )
    look()
  })
}
