/** Asking to be let in, from the side of the node that joins. */
import { type Invited, present } from '#protocols/access'
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { identityOf, type Network, type Peer } from '#protocols/network'
import { PROTOCOL } from '../messages.ts'

/** Members asked in one round; whoever lets nodes in is among the first few in most universes. */
const ASKED_MAX = 16
/** An admission is one synced write. */
const ANSWER_MS = 2000

/** `waiting`: nobody who may let it in could be reached. */
export type JoinAnswer = { state: 'admitted'; by?: Peer } | { state: 'waiting'; reason: string } | { state: 'refused'; error: OsirisError }

/** Asks one member after the other until one says yes, those that keep the ledger first. Never rejects. */
export async function askToJoin(
  network: Pick<Network, 'peer' | 'members' | 'request'>,
  { name, roles, invited, signal }: { name: string; roles: Role[]; invited: Invited | undefined; signal: AbortSignal },
): Promise<JoinAnswer> {
  const invitation = invited === undefined ? {} : { invitation: present(invited, identityOf(network.peer) ?? '') }
  const head = encode({ type: 'join', name, roles, ...invitation })
  const keepers = new Set(network.members.naming('catalog'))
  const members = network.members.list().toSorted((a, b) => Number(keepers.has(b)) - Number(keepers.has(a)))
  let reason = 'no member of the mesh is known'
  for (const { peer } of members.slice(0, ASKED_MAX)) {
    if (signal.aborted) break
    try {
      await network.request(peer, PROTOCOL, { head }, { timeoutMs: ANSWER_MS, signal })
      return { state: 'admitted', by: peer }
    } catch (error) {
      const known = OsirisError.from(error, 'Cannot join')
      if (known.code === 'forbidden' || known.code === 'invalid_argument') return { state: 'refused', error: known }
      reason = 'nobody who lets nodes in can be reached'
    }
  }
  return { state: 'waiting', reason }
}
