/** An entry as people read it. */
import type { LedgerLine } from '../catalog.ts'
import { OsirisError } from '#protocols/errors'
import { askedBy } from './asker.ts'
import type { Verdict } from './authority-evaluate.ts'
import { type Entry, ENTRY_BYTES_MAX, placeOf, reopenEntry } from './entry.ts'
import type { Feeds } from './feeds.ts'
import type { Places } from './places.ts'
import { plainJson } from './plain-json.ts'

/** Before it is said how far it has come. */
export interface EntryLine extends Omit<LedgerLine, 'commitment'> {
  /** What orders it within its millisecond. */
  counter: number
}

/** Entries in the total order, from behind `after` on; damaged ones are left out. Throws `not_found`. */
export async function readLog(
  all: Places,
  feeds: Feeds,
  verdict: Pick<Verdict, 'isAskedFor'>,
  options: { after?: string; limit: number },
): Promise<EntryLine[]> {
  const places = all.inOrder()
  const at = options.after === undefined ? -1 : places.findIndex((place) => place.hash === options.after)
  if (options.after !== undefined && at < 0) {
    throw new OsirisError('not_found', `Cannot read the log after "${options.after.slice(0, 64)}": there is no such entry`)
  }
  const lines: EntryLine[] = []
  for (const place of places.slice(at + 1, at + 1 + options.limit)) {
    const [bytes] = await feeds.read(place.author, place.seq, place.seq, ENTRY_BYTES_MAX)
    if (bytes !== undefined) lines.push(lineOf(reopenEntry(bytes, place.hash), verdict))
  }
  return lines
}

function lineOf(entry: Entry, verdict: Pick<Verdict, 'isAskedFor'>): EntryLine {
  const { author, seq, hash, hlc, type, body, grant } = entry
  const asker = entry.asker === undefined ? null : { ...entry.asker, stands: verdict.isAskedFor(entry.asker, placeOf(entry)) }
  const by = askedBy(entry.by, entry.asker, asker?.stands)
  const content = plainJson(body) as Record<string, unknown>
  return { author, seq, hash, atMs: hlc.wallMs, counter: hlc.counter, type, content, by, asker, grant }
}
