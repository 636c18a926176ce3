/** Replaying who was allowed to write what: each entry judged by what came before it in the total order, as every door judged it when it came. */
import { universeId } from '#protocols/access'
import { judgeAtDoor } from '../authority-door.ts'
import { authorityFactOf, AuthorityFacts } from '../authority-facts.ts'
import { bodyOf } from '../bodies.ts'
import { comparePlaces, type Entry, type Line, placeOf } from '../entry.ts'
import type { Spot } from '../receipts/receipt-store.ts'

export class AuthorityAudit {
  readonly #lines: Line[] = []
  #root: string | undefined

  /** Key of the root, where the genesis is here. */
  get root(): string | undefined {
    return this.#root
  }

  /** `universe`: its id, which is a digest of the root's key. */
  insert(entry: Entry, universe: string): void {
    this.#lines.push(slim(entry))
    const root = entry.type === 'genesis' && entry.seq === 1 ? bodyOf(entry, 'genesis')?.root : undefined
    if (root !== undefined && root === entry.author && universeId({ root }) === universe) this.#root = root
  }

  /** Tells of every entry, in the total order, whether its author was allowed to write it; what stands on one that was not is not allowed either. */
  judge(onGood: (line: Line) => void, onFault: (spot: Spot, sentence: string) => void): void {
    if (this.#lines.length === 0) return
    if (this.#root === undefined) return onFault({ author: '', seq: 0 }, 'the genesis is missing: nothing says who the root is')
    const facts = new AuthorityFacts(this.#root)
    const inOrder = this.#lines.map((line) => ({ line, place: placeOf(line) })).toSorted((a, b) => comparePlaces(a.place, b.place))
    for (const { line } of inOrder) {
      const fact = authorityFactOf(line)
      const verdict = judgeAtDoor(line, fact, facts)
      if (verdict !== undefined) {
        onFault(line, 'refused' in verdict ? verdict.refused : verdict.unknown)
        continue
      }
      if (fact !== undefined) facts.add(fact)
      onGood(line)
    }
  }
}

/** Without its bytes, and of a manifest only whose it is: a ledger may be large. */
function slim({ bytes: _bytes, ...line }: Entry): Line {
  if (line.type !== 'publish') return line
  const { namespace } = (line.body as { manifest?: { namespace?: unknown } | null }).manifest ?? {}
  return { ...line, body: { manifest: { namespace } } }
}
