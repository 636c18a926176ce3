/** Whose receipts count for an entry, by what the ledger on a disk says: the contract's rule, written down here a second time. */
import type { Node } from '../node.ts'
import { readRecord, type StoredEntry } from './record.ts'

interface Admission {
  member: string
  roles: string[]
  expiresAtMs: number | null
}

export interface Electorate {
  /** The catalogs that were let in before the entry, and not shut out before it. */
  asked: ReadonlySet<string>
  /** Whose receipts count: those who were let in as catalogs at any time, and never shut out. */
  counting: ReadonlySet<string>
}

/** Judged by the disk of a node that keeps the ledger. */
export function electorateOf(node: Node, place: StoredEntry): Electorate {
  const asked = new Set<string>()
  const counting = new Set<string>()
  const banned = new Set<string>()
  for (const entry of decisionsOn(node)) {
    const { member, roles = [], expiresAtMs = null } = entry.body as unknown as Partial<Admission> & { member: string }
    const isIn = entry.type === 'admit' && roles.includes('catalog') && (expiresAtMs === null || place.hlc.wallMs < expiresAtMs)
    if (isBefore(entry, place)) asked[isIn ? 'add' : 'delete'](member)
    if (isIn) counting.add(member)
    if (entry.type === 'ban') banned.add(member)
  }
  for (const member of banned) counting.delete(member)
  return { asked, counting }
}

/** Admissions and bans, in the order in which they count. */
function decisionsOn(node: Node): StoredEntry[] {
  const entries: StoredEntry[] = []
  for (const [key, value] of node.disk.durable()) {
    const entry = key.startsWith('entry/') ? readRecord(value) : ''
    if (typeof entry !== 'string' && (entry.type === 'admit' || entry.type === 'ban')) entries.push(entry)
  }
  return entries.toSorted((a, b) => (isBefore(a, b) ? -1 : 1))
}

/** Time, counter, author, seq: the total order of the ledger. */
function isBefore(a: StoredEntry, b: StoredEntry): boolean {
  const later = a.hlc.wallMs - b.hlc.wallMs || a.hlc.counter - b.hlc.counter
  if (later !== 0) return later < 0
  return a.author === b.author ? a.seq < b.seq : a.author < b.author
}
