/** One question to a member with the router role, and to another where the network proves that the one before saw nothing. */
import { OsirisError } from '#protocols/errors'
import type { Random } from '#protocols/lifecycle'
import type { Message, Network, Peer } from '#protocols/network'

const ROUTERS_MAX = 3

/** Who asks. */
export interface Asker {
  network: Pick<Network, 'members' | 'request'>
  random: Random
}

export interface Question {
  protocol: string
  message: Message
  timeoutMs: number
  /** What it is for: `Cannot …`. */
  act: string
}

/** Throws the router's own error; `unavailable` where there is none, or none can be reached. */
export async function askRouter({ network, random }: Asker, { protocol, message, timeoutMs, act }: Question): Promise<Message> {
  let last: unknown
  for (const peer of routers(network, random)) {
    try {
      return await network.request(peer, protocol, message, { timeoutMs })
    } catch (error) {
      last = error
      if (!(error instanceof OsirisError) || error.details?.['sent'] !== false) break
    }
  }
  const members = network.members.list().length + 1
  if (last === undefined) throw new OsirisError('unavailable', `${act}: no member runs router (members: ${members})`)
  throw OsirisError.from(last, act)
}

/** Connected ones first, drawn at random, so that those who ask spread. */
function routers(network: Pick<Network, 'members'>, random: Random): Peer[] {
  const ranked = network.members.withRole('router').map(({ peer, connected }) => ({ peer, rank: (connected ? 0 : 1) + random() }))
  return ranked
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, ROUTERS_MAX)
    .map(({ peer }) => peer)
}
