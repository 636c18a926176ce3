/** The ledger of this node as bytes, page by page, for whoever verifies it. */
import type { RecordsPage } from './catalog.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { ReceiptStore, Spot } from './ledger/receipts/receipt-store.ts'

/** One page's entries; with receipts and in base64 it still is a small answer. */
const PAGE_BYTES_MAX = 256 * 1024
const READ_MAX = 256
const PROOFS_BYTES_MAX = 64 * 1024 * 1024

export async function recordsPage(ledger: Ledger, receipts: ReceiptStore, from: Spot | undefined): Promise<RecordsPage> {
  const feeds = ledger.heads()
  const heads = from === undefined ? feeds.map(({ author, seq }) => ({ author, seq })) : []
  const entries: RecordsPage['entries'] = []
  let left = PAGE_BYTES_MAX
  for (const { author, seq: last } of feeds) {
    if (from !== undefined && author < from.author) continue
    let seq = from?.author === author ? from.seq : 1
    while (seq <= last) {
      if (left <= 0) return { entries, heads, proofs: [], next: { author, seq } }
      const read = await ledger.read(author, seq, Math.min(last, seq + READ_MAX - 1), left)
      for (const [at, bytes] of read.entries()) {
        const spot = { author, seq: seq + at }
        entries.push({ ...spot, bytes, receipts: (await receipts.of(spot)).map((each) => ({ holder: each.holder, bytes: each.bytes })) })
        left -= bytes.length
      }
      // A record that is damaged is left out; the verifier sees the gap.
      seq += Math.max(1, read.length)
    }
  }
  return { entries, heads, proofs: await ledger.proofs([], PROOFS_BYTES_MAX), next: null }
}
