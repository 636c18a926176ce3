/** Everything in this node's ledger that did not come to stand. Reads all entries: for people, now and then. */
import type { ConflictReport, LostRoute } from './catalog.ts'
import { Conflicts, markOf } from './ledger/conflicts.ts'
import { openProof } from './ledger/forks/forks.ts'
import type { Ledger } from './ledger/ledger.ts'
import { voidReason } from './ledger/void.ts'

const PAGE = 500
const PROOFS_BYTES_MAX = 64 * 1024 * 1024

/** More than anybody reads. */
const ROUTES_MAX = 1000
const VOIDED_MAX = 1000

type InEntries = Omit<ConflictReport, 'routes'>

export class ConflictReporter {
  readonly #ledger: Ledger
  #last: { entries: number; frozen: number; report: Promise<InEntries> } | undefined

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** One reading until the ledger changes, however many ask. */
  async report(routes: readonly LostRoute[]): Promise<ConflictReport> {
    const [entries, frozen] = [this.#ledger.entries, this.#ledger.frozen().length]
    if (this.#last?.entries !== entries || this.#last.frozen !== frozen) {
      const report = this.#read()
      report.catch(() => (this.#last = undefined))
      this.#last = { entries, frozen, report }
    }
    return { ...(await this.#last.report), routes: routes.slice(0, ROUTES_MAX) }
  }

  async #read(): Promise<InEntries> {
    const conflicts = new Conflicts()
    const voids = new Set(this.#ledger.authority.voids().map((fact) => fact.place.hash))
    const voided: ConflictReport['voided'] = []
    let after: string | undefined
    for (;;) {
      const lines = await this.#ledger.log({ limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const line of lines) {
        const own = voids.has(line.hash) ? 'what it ends or gives on does not stand under it' : undefined
        const reason = voidReason(this.#ledger.authority, { ...line, wallMs: line.atMs }, line.grant) ?? own
        if (reason === undefined) conflicts.take(line)
        else voided.push({ ...markOf(line), reason })
      }
      after = lines.at(-1)?.hash
      if (after === undefined || lines.length < PAGE) break
    }
    const proofs = (await this.#ledger.proofs([], PROOFS_BYTES_MAX)).map((bytes) => openProof(bytes, this.#ledger.universe))
    return {
      lost: conflicts.list(),
      voided: voided.slice(-VOIDED_MAX),
      frozen: proofs.map(({ author, seq, hashes }) => ({ author, seq, hashes: [...hashes] })),
    }
  }
}
