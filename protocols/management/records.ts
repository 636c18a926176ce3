/** The ledger's bytes, to and from the text that JSON carries. Pure. */
import type { RecordsPage } from '#protocols/catalog'
import type { LedgerRecords } from './management.ts'

export function textOfRecords({ entries, heads, proofs, next }: RecordsPage): LedgerRecords {
  return {
    entries: entries.map(({ author, seq, bytes, receipts }) => ({
      ...{ author, seq, bytes: textOf(bytes) },
      receipts: receipts.map((each) => ({ holder: each.holder, bytes: textOf(each.bytes) })),
    })),
    heads,
    proofs: proofs.map(textOf),
    next,
  }
}

export function recordsOfText({ entries, heads, proofs, next }: LedgerRecords): RecordsPage {
  return {
    entries: entries.map(({ author, seq, bytes, receipts }) => ({
      ...{ author, seq, bytes: bytesOf(bytes) },
      receipts: receipts.map((each) => ({ holder: each.holder, bytes: bytesOf(each.bytes) })),
    })),
    heads,
    proofs: proofs.map(bytesOf),
    next,
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
/** What is no base64 becomes other bytes, which no signature fits. */
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
