/** Where an audit has its records from: a store on disk, or what a node hands out. */
import { decodeAs, digestOf } from '#protocols/codec'
import type { ArtifactStore } from '../../artifacts/artifacts.ts'
import type { RecordsPage } from '../../catalog.ts'
import { Audit } from './audit.ts'
import type { AuditSummary } from './audit-report.ts'
import { headSchema } from '../feed-records.ts'
import { ENCODINGS, type Storage, unsealRecord } from '#protocols/storage'

/** Keys in their order put the entries of a feed in theirs, and before heads, proofs and receipts. */
const PARTS = ['entry', 'head', 'proof', 'receipt'] as const

/** A whole store of a node that is not running, record by record, and the built code beside it. `universe`: its id. Changes nothing. */
export async function auditStorage(
  storage: Storage,
  universe: string,
  artifacts?: Pick<ArtifactStore, 'list' | 'read'>,
): Promise<AuditSummary> {
  const audit = new Audit(universe)
  for (const part of PARTS) {
    try {
      for await (const [key, value] of storage.iterator({ ...ENCODINGS, gte: `${part}/`, lt: `${part}0` })) give(audit, key, value)
    } catch (error) {
      audit.unreadable((error as Error).message)
    }
  }
  for (const { digest, bytes } of (await artifacts?.list()) ?? []) {
    const kept = await artifacts?.read(digest, 0, bytes)
    audit.artifact(digest, kept !== undefined && digestOf(kept.bytes) === digest)
  }
  return audit.finish()
}

/** Everything a node hands out, page after page. */
export async function auditPages(pages: AsyncIterable<RecordsPage>, universe: string): Promise<AuditSummary> {
  const audit = new Audit(universe)
  const heads: RecordsPage['heads'] = []
  for await (const page of pages) {
    for (const { author, seq, bytes, receipts } of page.entries) {
      audit.entry({ author, seq }, bytes)
      for (const { holder, bytes: receipt } of receipts) audit.receipt({ author, seq }, holder, receipt)
    }
    heads.push(...page.heads)
    for (const bytes of page.proofs) audit.proof(undefined, bytes)
  }
  for (const head of heads) audit.head(head)
  return audit.finish()
}

function give(audit: Audit, key: string, value: Uint8Array): void {
  const [part, author = '', seq = '', holder = ''] = key.split('/')
  const spot = { author, seq: Number(seq) }
  if (part === 'head') return audit.head({ author, seq: promisedBy(value) })
  const bytes = unsealRecord(value)?.bytes
  if (part === 'entry') audit.entry(spot, bytes)
  else if (part === 'proof') audit.proof(author, bytes)
  else audit.receipt(spot, holder, bytes)
}

function promisedBy(value: Uint8Array): number | undefined {
  try {
    return decodeAs(headSchema, value, 'a head record').seq
  } catch {
    return undefined
  }
}
