/** An entry as people read it. */
import type { LedgerLine } from '../catalog.ts'
import type { Entry } from './entry.ts'
import { plainJson } from './plain-json.ts'

/** Before it is said how far it has come. */
export interface EntryLine extends Omit<LedgerLine, 'commitment'> {
  /** What orders it within its millisecond. */
  counter: number
}

export function lineOf(entry: Entry): EntryLine {
  const { author, seq, hash, hlc, type, body, by, grant } = entry
  return { author, seq, hash, atMs: hlc.wallMs, counter: hlc.counter, type, content: plainJson(body) as Record<string, unknown>, by, grant }
}
