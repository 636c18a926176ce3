/**
 * Edits that lost: two authors changed the same alias of a function without knowing of each other, and the later in the total order stands. An entry
 * says what it saw as the last before it (`after`); when that is not what stands there, what stands was overwritten unseen. Pure: entries in, in their order.
 */
import type { LostEdit, MarkedEntry } from '../catalog.ts'
import type { EntryLine } from './entry-line.ts'

/** The latest ones are kept. */
const KEPT_MAX = 1000
/** Stands for the function as a whole. */
const WHOLE = ''

interface Edit {
  namespace: string
  name: string
  alias: string
  after: string | null
  /** What it makes the alias mean. */
  effect: string
}

interface Standing {
  line: EntryLine
  effect: string
}

export class Conflicts {
  /** Function → alias → what set it. */
  readonly #standing = new Map<string, Map<string, Standing>>()
  readonly #lost: LostEdit[] = []

  /** The next entry in the total order that has an effect. */
  take(line: EntryLine): void {
    const edit = editOf(line)
    if (edit === undefined) return
    const { namespace, name, alias, after, effect } = edit
    const key = `${namespace}/${name}`
    const aliases = this.#standing.get(key) ?? new Map<string, Standing>()
    const before = alias === WHOLE ? lastOf(aliases) : aliases.get(alias)
    if (before !== undefined && before.line.hash !== after && before.effect !== effect) {
      this.#lost.push({ namespace, name, alias: alias === WHOLE ? null : alias, lost: markOf(before.line), won: markOf(line) })
      if (this.#lost.length > KEPT_MAX) this.#lost.shift()
    }
    if (alias === WHOLE) aliases.clear()
    else {
      // The last one written is the last of the map.
      aliases.delete(alias)
      aliases.set(alias, { line, effect })
    }
    this.#standing.set(key, aliases)
  }

  /** Oldest first. */
  list(): LostEdit[] {
    return [...this.#lost]
  }
}

export function markOf({ author, seq, hash, atMs, type, by }: EntryLine): MarkedEntry {
  return { author, seq, hash, atMs, type, by }
}

function editOf({ type, content }: EntryLine): Edit | undefined {
  const of = (type === 'publish' ? content['manifest'] : content) as Record<string, unknown> | undefined
  const after = content['after']
  const [namespace, name] = [of?.['namespace'], of?.['name']]
  if (typeof namespace !== 'string' || typeof name !== 'string' || (after !== null && typeof after !== 'string')) return undefined
  const common = { namespace, name, after }
  if (type === 'publish') return { ...common, alias: 'live', effect: JSON.stringify({ ...of, provenance: null }) }
  if (type === 'point' && typeof content['alias'] === 'string')
    return { ...common, alias: content['alias'], effect: JSON.stringify(content['targets']) }
  return type === 'retire' ? { ...common, alias: WHOLE, effect: 'retire' } : undefined
}

function lastOf(aliases: Map<string, Standing>): Standing | undefined {
  return [...aliases.values()].at(-1)
}
