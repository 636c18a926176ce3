/** YAML with positions: the one address of `yaml`. */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { OsirisError } from '#protocols/errors'

/** Longer files are no configuration. */
const CHARACTERS_MAX = 1024 * 1024
/** How often one anchor may be used: enough for people, not for a bomb. */
const ALIASES_MAX = 100

export type Path = readonly PropertyKey[]

export interface YamlFile {
  /** As plain data; `null` for an empty file. */
  value: unknown
  /** `file:line:column` of what stands at the path, or of the nearest thing above it; `onKey`: of its key. */
  at(path: Path, onKey?: boolean): string
}

/** Throws `invalid_argument` with `file:line:column: sentence` for every fault of the text itself. */
export function parseYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter()
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }
  if (text.length > CHARACTERS_MAX)
    throw new OsirisError('invalid_argument', `${file}:1:1: the file is longer than ${CHARACTERS_MAX} characters`)
  if (text.includes('\0')) throw new OsirisError('invalid_argument', `${file}:1:1: the file is binary, not YAML`)
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, strict: true })
  if (document.errors.length > 0) {
    const sentences = document.errors.slice(0, 8).map((each) => `${place(each.pos[0])}: ${each.message}`)
    throw new OsirisError('invalid_argument', sentences.join('\n'))
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: ALIASES_MAX })
  } catch (error) {
    throw new OsirisError('invalid_argument', `${place(badAlias(document))}: ${(error as Error).message}`, { cause: error })
  }
  return {
    value,
    at: (path, onKey = false) =>
      place(offsetOf(document.contents, path, onKey, (alias) => (isAlias(alias) ? alias.resolve(document) : alias))),
  }
}

/** Offset of the first alias without an anchor; else of the file. */
function badAlias(document: Document): number {
  let offset = 0
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return undefined
      offset = alias.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

function offsetOf(root: Node | null, path: Path, onKey: boolean, resolve: (node: Node) => Node | undefined): number {
  let offset = root?.range?.[0] ?? 0
  let node: Node | undefined = root ?? undefined
  for (const [index, segment] of path.entries()) {
    node = node === undefined ? undefined : resolve(node)
    if (isMap(node)) {
      const pair = node.items.find((each) => isScalar(each.key) && String(each.key.value) === String(segment))
      if (pair === undefined) return offset
      const key = (isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? offset
      const value: unknown = pair.value
      const last = index === path.length - 1
      offset = last && onKey ? key : ((isNode(value) ? value.range?.[0] : undefined) ?? key)
      node = isNode(value) ? value : undefined
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(segment)]
      if (!isNode(item)) return offset
      offset = item.range?.[0] ?? offset
      node = item
    } else {
      return offset
    }
  }
  return offset
}
