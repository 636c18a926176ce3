/** Tells peers of a fresh entry, and waits until receipts of enough of them are here. */
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'

/** A peer that could not be asked is asked again after so long, twice as long each time: its connection broke, or it is coming back just now. */
const AGAIN_MS = 250

export interface SpreadOptions {
  clock: Clock
  /** Asked at once. */
  peers: readonly Peer[]
  /** Asked (once more) when those were not enough after `restMs`, or have all answered: for a receipt they would not give otherwise. */
  others: readonly Peer[]
  /** Whether the peer has the entry on disk. Rejects when it cannot be asked (it is again, while there is time and not enough), `invalid_argument` when it refuses. A receipt that comes with it is in the count when this resolves. */
  push: (peer: Peer, time: 'first' | 'again') => Promise<boolean>
  /** Whether the receipts that are here suffice. */
  isEnough: () => boolean
  /** Calls back whenever a receipt has come, by whatever way. Returns the way to stop. */
  onReceipt: (listener: () => void) => () => void
  /** How long to go on waiting for the rest once there are enough. */
  restMs: number
  timeoutMs: number
}

/** The peers that have it when all have answered, when there are enough and `restMs` passed, or when the time is up. */
export function spread(options: SpreadOptions): Promise<Peer[]> {
  const { clock, isEnough } = options
  return new Promise((resolve) => {
    const holders = new Set<Peer>()
    let open = 0
    let rested = false
    let widened = false
    let ended = false
    const cancels: (() => void)[] = []
    const end = () => {
      ended = true
      for (const cancel of cancels.splice(0)) cancel()
      resolve([...holders])
    }
    const answered = (peer: Peer, held: boolean) => {
      open -= 1
      if (held) holders.add(peer)
      look()
    }
    const ask = (peers: readonly Peer[], time: 'first' | 'again', againMs = AGAIN_MS) => {
      open += peers.length
      for (const peer of peers) {
        options.push(peer, time).then(
          (held) => answered(peer, held),
          (error: unknown) => {
            answered(peer, false)
            if (!ended && !isForGood(error)) cancels.push(clock.after(againMs, () => isEnough() || ask([peer], time, 2 * againMs)))
          },
        )
      }
    }
    const look = () => {
      if (open > 0 && !rested) return
      if (isEnough()) return end()
      if (widened) return
      widened = true
      ask(options.others, 'again')
    }
    const rest = () => {
      rested = true
      look()
    }
    cancels.push(
      clock.after(options.timeoutMs, end),
      clock.after(Math.min(options.restMs, options.timeoutMs), rest),
      options.onReceipt(look),
    )
    ask(options.peers, 'first')
    look()
  })
}

function isForGood(error: unknown): boolean {
  return error instanceof OsirisError && error.code === 'invalid_argument'
}
