/** Receipts as people and programs read them. Pure. */
import type { Commitment, HolderReceipt } from '../catalog.ts'
import { majorityOf, type SignedReceipt } from '../ledger/receipts/receipts.ts'

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
