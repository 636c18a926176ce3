/** Verifying a ledger without believing anybody: from the data directory of a node that is not running, or from what a node hands out. */
import { join } from 'node:path'
import { type AuditSummary, auditPages, auditStorage, DirectoryArtifacts } from '#protocols/catalog'
import { type LedgerRecords, recordsOfText } from '#protocols/management'
import { universeId } from '#protocols/access'
import { openRecords } from './host.ts'

export type { AuditSummary } from '#protocols/catalog'

/** Reads every record and every file of built code. Throws `not_found` where there is no node's data, `conflict` while a node runs on it. */
export async function auditFolder(dataDir: string): Promise<AuditSummary> {
  const { storage, universe, close } = await openRecords(dataDir)
  try {
    return await auditStorage(storage, universeId(universe), new DirectoryArtifacts({ directory: join(dataDir, 'artifacts') }))
  } finally {
    await close()
  }
}

/** `universe`: its id; `page` gives the records from a place on. */
export async function auditNode(
  universe: string,
  page: (from: { author: string; seq: number } | undefined) => Promise<LedgerRecords>,
): Promise<AuditSummary> {
  async function* pages() {
    let from: { author: string; seq: number } | undefined
    do {
      const answer = await page(from)
      yield recordsOfText(answer)
      const next = answer.next ?? undefined
      // A node that sends its reader round in circles is left.
      if (next !== undefined && from !== undefined && !isAfter(next, from)) return
      from = next
    } while (from !== undefined)
  }
  return auditPages(pages(), universe)
}

function isAfter(a: { author: string; seq: number }, b: { author: string; seq: number }): boolean {
  return a.author > b.author || (a.author === b.author && a.seq > b.seq)
}
