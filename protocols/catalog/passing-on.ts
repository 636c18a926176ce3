/** What this node may not write itself is asked of those that may. */
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Message, Network } from '#protocols/network'
import { PROTOCOL, type Request } from './messages.ts'
import type { Replication } from './replication.ts'

export interface PassingOn {
  network: Pick<Network, 'request'>
  replication: Replication
}

/** Members asked for one change; whoever holds the root key is among the first few in most universes. */
const ASKED_MAX = 16
/** What a member is given beyond its own waiting for receipts. */
const GRACE_MS = 1000
/** How long what another member wrote is fetched before the answer. */
const PULL_MS = 500

/** So that whoever is asked does not ask others in its turn: it says that it may not (`details.standing` is `false`). */
export function mayNot({ code, message }: OsirisError): OsirisError {
  return new OsirisError(code, message, { details: { standing: false } })
}

/** One member after the other until one holds what it takes; each judges the request again. What it wrote is here when it resolves, as far as it can be. Throws its refusal; `fault` where none may write it. */
export async function passOn(
  { network, replication }: PassingOn,
  request: Request,
  timeoutMs: number,
  fault: OsirisError,
): Promise<Message['head']> {
  const head = encode(request)
  let failure = fault
  for (const peer of replication.others().slice(0, ASKED_MAX)) {
    try {
      const answer = await network.request(peer, PROTOCOL, { head }, { timeoutMs: timeoutMs + GRACE_MS })
      // So that whoever asked sees the change where they asked for it.
      await replication.pull(peer, PULL_MS).catch(() => false)
      return answer.head
    } catch (error) {
      const known = OsirisError.from(error, 'Cannot ask another member to write it', 'unavailable')
      const goesOn = known.code === 'unavailable' || known.details?.['standing'] === false
      if (!goesOn) throw known
      if (known.code === 'unavailable') failure = known
    }
  }
  throw failure
}
