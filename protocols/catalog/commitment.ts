/** Receipts as people and programs read them. Pure. */
import { identityOf, type Network } from '#protocols/network'
import type { Commitment, HolderReceipt } from './catalog.ts'
import { majorityOf, type SignedReceipt } from './ledger/receipts.ts'

/** `counting`: the receipts that count. `members`: how many catalog members there are. */
export function commitmentOf(counting: readonly SignedReceipt[], members: number, nameOf: (key: string) => string | undefined): Commitment {
  const needed = majorityOf(members)
  const receipts: HolderReceipt[] = counting.map(({ holder, atMs, signature }) => ({
    holder,
    node: nameOf(holder) ?? null,
    atMs,
    signature,
  }))
  return { state: receipts.length >= needed ? 'committed' : 'accepted', needed, members, receipts }
}

/**
 * Keys of the catalog members this node knows that are admitted, and its own. A peer's id is its public key (`identityOf`): its connections and beats prove
 * that it holds the key its receipts are signed with, so that no peer can speak for another.
 */
export function catalogKeys(own: string, network: Pick<Network, 'members'>, isMember: (key: string) => boolean): Set<string> {
  const keys = new Set([own])
  for (const { peer } of network.members.withRole('catalog')) {
    const key = identityOf(peer)
    if (key !== undefined && isMember(key)) keys.add(key)
  }
  return keys
}
