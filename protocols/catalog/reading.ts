/** Entries as other catalogs ask for them: from a place of a feed on. */
import type { Ledger } from './ledger/ledger.ts'

/** Entries read for one want; at about 1 KiB each, near the bound of an answer. */
const READ_MAX = 512

export interface Want {
  author: string
  from: number
  to?: number | undefined
}

/** At most `bytesMax` of them, one at least. */
export async function readWants(ledger: Pick<Ledger, 'read'>, wants: readonly Want[], bytesMax: number): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  let left = bytesMax
  for (const { author, from, to = Number.POSITIVE_INFINITY } of wants) {
    if (left <= 0) break
    const entries = await ledger.read(author, from, Math.min(to, from + READ_MAX - 1), left)
    for (const each of entries) left -= each.length
    found.push(...entries)
  }
  return found
}
