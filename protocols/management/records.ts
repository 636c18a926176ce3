/** The ledger's bytes, to and from the text that JSON carries. Pure. */
import type { Giving, RecordsPage, Succession } from '#protocols/catalog'
import type { GivingText, LedgerRecords, SuccessionText } from './management.ts'

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

export function textOfSuccession({ genesis, keys }: Succession): SuccessionText {
  return { genesis: genesis && textOf(genesis), keys: keys.map(({ last, ...each }) => ({ ...each, last: last && textOf(last) })) }
}

export function successionOfText({ genesis, keys }: SuccessionText): Succession {
  return { genesis: orNull(genesis), keys: keys.map(({ last, ...each }) => ({ ...each, last: orNull(last) })) }
}

export function textOfGiving({ proof, given, ...keys }: Giving): GivingText {
  return { ...keys, proof: textOf(proof), given: textOf(given) }
}

export function givingOfText({ proof, given, ...keys }: GivingText): Giving {
  return { ...keys, proof: bytesOf(proof), given: bytesOf(given) }
}

const orNull = (text: string | null): Uint8Array | null => (text === null ? null : bytesOf(text))
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
/** What is no base64 becomes other bytes, which no signature fits. */
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
