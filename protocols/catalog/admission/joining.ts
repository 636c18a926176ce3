/** Asking to be let in, from the side of the node that joins. */
import { type Invited, present, universeId } from '#protocols/access'
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { identityOf, type Network, type Peer } from '#protocols/network'
import { bodyOf } from '../ledger/bodies.ts'
import { openEntry } from '../ledger/entry.ts'
import { PROTOCOL } from '../messages.ts'

/** Members asked in one round; whoever lets nodes in is among the first few in most universes. */
const ASKED_MAX = 16
/** An admission is one synced write. */
const ANSWER_MS = 2000

/** `waiting`: nobody who may let it in could be reached. */
export type JoinAnswer = { state: 'admitted'; by?: Peer } | { state: 'waiting'; reason: string } | { state: 'refused'; error: OsirisError }

export interface Joining {
  name: string
  roles: Role[]
  invited: Invited | undefined
  /** Of a node that changed its key: the last entry of the key before. */
  rotation?: Uint8Array | undefined
  /** The universe's first root: a ban that it signed needs nobody else's word. */
  root: string
  signal: AbortSignal
}

/**
 * Asks one member after the other until one says yes, those that keep the ledger first. That it is not let in is believed when more than half of those that say
 * that they keep the ledger say so, or one that shows the root's ban: one that lies turns nobody away. Never rejects.
 */
export async function askToJoin(network: Pick<Network, 'peer' | 'members' | 'request'>, joining: Joining): Promise<JoinAnswer> {
  const { name, roles, invited, rotation, root, signal } = joining
  const own = identityOf(network.peer) ?? ''
  const shown = { ...(invited === undefined ? {} : { invitation: present(invited, own) }), ...(rotation === undefined ? {} : { rotation }) }
  const head = encode({ type: 'join', name, roles, ...shown })
  const naming = new Set(network.members.naming('catalog').map(({ peer }) => peer))
  const members = network.members.list().map(({ peer }) => peer)
  const keepers = members.filter((peer) => naming.has(peer))
  const asked = [...keepers, ...members.filter((peer) => !naming.has(peer))].slice(0, ASKED_MAX)
  let reason = 'no member of the mesh is known'
  const refusals: { peer: Peer; error: OsirisError }[] = []
  for (const peer of asked) {
    if (signal.aborted) break
    try {
      await network.request(peer, PROTOCOL, { head }, { timeoutMs: ANSWER_MS, signal })
      return { state: 'admitted', by: peer }
    } catch (error) {
      const known = OsirisError.from(error, 'Cannot join')
      const isRefusal = known.code === 'forbidden' || known.code === 'invalid_argument'
      if (isRefusal && showsBan(known, root, own)) return { state: 'refused', error: known }
      if (isRefusal) refusals.push({ peer, error: known })
      else reason = 'nobody who lets nodes in can be reached'
    }
  }
  const electors = keepers.length > 0 ? keepers.slice(0, ASKED_MAX) : asked
  const against = refusals.filter(({ peer }) => electors.includes(peer))
  const [first] = against.length > 0 ? against : refusals
  if (first === undefined) return { state: 'waiting', reason }
  if (against.length * 2 > electors.length) return { state: 'refused', error: first.error }
  return {
    state: 'waiting',
    reason: `${against.length} of ${electors.length} catalogs refuse it (${first.error.message}), and the others do not say`,
  }
}

/** Whether a refusal carries the root's own word, which no other can make up. */
function showsBan({ details }: OsirisError, root: string, own: string): boolean {
  const proof = details?.['ban']
  if (typeof proof !== 'string') return false
  try {
    const entry = openEntry(new Uint8Array(Buffer.from(proof, 'base64')))
    return entry.author === root && entry.universe === universeId({ root }) && bodyOf(entry, 'ban')?.member === own
  } catch {
    return false
  }
}
