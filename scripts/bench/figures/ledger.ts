/** The ledger of one node: writing, verifying what others wrote, opening again with 100,000 entries, looking a function up; and of two, as they become equal. */
import { openEntries } from '#protocols/catalog'
import type { Bench, Figure, Row } from '../bench.ts'
import { type Apart, converge } from '../converging.ts'
import { type LedgerPlace, ledgerPlace, nameOf, openLedger, type OpenLedger, publish } from '../ledgers.ts'
import { median, round } from '../stats.ts'
import { NAMESPACE } from '../subject.ts'

const ENTRIES = 100_000
/** Appended, and verified, in one round. */
const ROUND = 5000
const LOOKUPS = 100_000
/** What one answer of a member holds. */
const ANSWER_BYTES = 512 * 1024
const MISSING = 100
/** Feeds: a universe of a size people have, where heads are named whole; and one of so many nodes that they are compared by ranges. */
const AUTHORS = [20, 1000]

export const ledger: Figure = {
  name: 'ledger',
  async measure(bench) {
    const size = Math.ceil(ENTRIES / bench.divisor)
    const place = await ledgerPlace(bench.cleanup)
    const opened = await openLedger(place)
    const appendsPerSecond: number[] = []
    for (let at = 0; at < size; at += ROUND) {
      appendsPerSecond.push(await perSecond(ROUND, () => publish(opened.ledger, at, at + ROUND)))
      if (at % (4 * ROUND) === 0) bench.say(`${at + ROUND} entries`)
    }
    const verifiesPerSecond = await verifies(bench, opened)
    await opened.close()
    const { reopenMs, lookupUs } = await reopens(bench, place, size)
    const apart = await converges(bench, size)
    return [
      row('the ledger appends, not synced', appendsPerSecond, 'entries/s', { kind: 'least', value: 5000 }),
      row('the ledger verifies entries of others', verifiesPerSecond, 'entries/s', { kind: 'least', value: 10_000 }),
      row(`the ledger opens with ${size.toLocaleString('en')} entries`, reopenMs, 'ms', { kind: 'most', value: 2000 }),
      row(`a function is looked up among ${size.toLocaleString('en')}`, lookupUs, 'µs', { kind: 'most', value: 20 }),
      ...apart,
    ]
  },
}

async function perSecond(count: number, run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return count / ((performance.now() - start) / 1000)
}

/** As a pull does it: answer after answer. */
async function verifies(bench: Bench, { ledger: from }: OpenLedger): Promise<number[]> {
  const entries: Uint8Array[] = []
  while (entries.length < ROUND) entries.push(...(await from.read(from.author, entries.length + 1, ROUND, ANSWER_BYTES)))
  const results: number[] = []
  for (let count = 0; count < bench.rounds; count++) results.push(await perSecond(ROUND, () => openEntries(entries)))
  return results
}

async function reopens(bench: Bench, place: LedgerPlace, size: number): Promise<{ reopenMs: number[]; lookupUs: number[] }> {
  const reopenMs: number[] = []
  const lookupUs: number[] = []
  for (let count = 0; count < bench.rounds; count++) {
    const start = performance.now()
    const { view, close } = await openLedger(place)
    reopenMs.push(performance.now() - start)
    lookupUs.push(lookup(view, size))
    bench.say(`open after ${round(reopenMs.at(-1) ?? 0, 0)} ms`)
    await close()
  }
  return { reopenMs, lookupUs }
}

async function converges(bench: Bench, entries: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const authors of AUTHORS) {
    const apart: Apart = { entries, authors, missing: MISSING }
    bench.say(`two nodes, ${entries} entries of ${authors} authors`)
    const results = await converge(bench.cleanup, bench.rounds, apart)
    const what = `two nodes become equal, ${MISSING} of ${entries.toLocaleString('en')} entries apart, ${authors.toLocaleString('en')} authors`
    const detail = { rounds: results }
    rows.push(
      { what, measured: round(median(results.map((each) => each.ms)), 0), unit: 'ms', bar: { kind: 'most', value: 1000 }, detail },
      {
        what: `${what}: what travels besides the entries`,
        measured: round(median(results.map((each) => each.bytes)) / 1024, 1),
        unit: 'KB',
        bar: { kind: 'most', value: 64 },
        detail,
      },
    )
  }
  return rows
}

/** Microseconds of one, of many all over the ledger. */
function lookup(view: OpenLedger['view'], size: number): number {
  const names = Array.from({ length: LOOKUPS }, (_, at) => nameOf((at * 7919) % size))
  const start = performance.now()
  for (const name of names) if (view.find({ namespace: NAMESPACE, name }) === undefined) throw new Error(`${name} is not there`)
  return ((performance.now() - start) * 1000) / LOOKUPS
}

function row(what: string, values: number[], unit: string, bar: Row['bar']): Row {
  const digits = unit === 'µs' ? 2 : 0
  return { what, measured: round(median(values), digits), unit, bar, detail: { rounds: values.map((each) => round(each, digits)) } }
}
