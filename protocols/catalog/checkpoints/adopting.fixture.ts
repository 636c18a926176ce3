/** What tests of joining by a checkpoint share: long feeds made beforehand, and a catalog that hands out what a test says. */
import { type Identity, universeId } from '#protocols/access'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { aFunction, type CatalogNode, type CatalogUniverse } from '../catalog.fixture.ts'
import { type Entry, type Line, openUnsigned, signEntry } from '../ledger/entry.ts'
import { LedgerState } from '../ledger/ledger-state.ts'
import { type Content, makeContent, packOffer, signContent } from '../ledger/checkpoints/shared-checkpoint.ts'
import { ViewDigest } from '../ledger/view-digest.ts'
import { packHead, PROTOCOL, type Request, requestSchema } from '../messages.ts'

/** The feed of a node that was let in: publishes of so many functions; `spoil` may change an entry's bytes before the next one names it. */
export async function feedOf(
  universe: CatalogUniverse,
  by: Identity,
  count: number,
  spoil: (bytes: Uint8Array, seq: number) => Uint8Array = (bytes) => bytes,
): Promise<Entry[]> {
  await universe.admit(by.id, `writer ${by.id.slice(0, 4)}`, undefined, ['builder'])
  const wallMs = Date.now() - 1000
  const entries: Entry[] = []
  for (let seq = 1; seq <= count; seq += 1) {
    const place = { format: 1 as const, universe: universeId(universe.universe), author: by.id, seq, prev: entries.at(-1)?.hash ?? null }
    const body = { manifest: aFunction(`f${seq}`).manifest, after: null }
    const hlc = { wallMs, counter: seq }
    const entry = signEntry(by, { ...place, hlc, type: 'publish', body, by: 'ada', grant: universe.grantOf(by.id) })
    entries.push(openUnsigned(spoil(entry.bytes, seq)))
  }
  return entries
}

export async function give(node: CatalogNode, entries: readonly Entry[]): Promise<void> {
  await Promise.all(entries.map((entry) => node.service.accept('', entry.bytes)))
}

/** The view digest of a set of entries, folded all at once. */
export function digestOfAll(root: string, lines: readonly Line[]): string {
  const state = new LedgerState(root)
  const digest = new ViewDigest()
  for (const line of lines) state.insert(line)
  for (const each of state.settle().states) digest.set(each)
  return digest.value(state.digest())
}

/** A checkpoint of these entries, whole feeds from the first entry on, with a view that is right unless it is given. */
export function contentOf(universe: CatalogUniverse, entries: readonly Entry[], change: Partial<Content> = {}): Content {
  const byAuthor = new Map<string, Entry[]>()
  for (const entry of entries) byAuthor.set(entry.author, [...(byAuthor.get(entry.author) ?? []), entry])
  const heads = [...byAuthor].map(([author, all]) => ({ author, seq: all.length, hash: all.at(-1)?.hash ?? '' }))
  const content = makeContent({
    universe: change.universe ?? universeId(universe.universe),
    view: change.view ?? digestOfAll(universe.root.id, entries),
    frozen: change.frozen ?? [],
    heads: heads.toSorted((a, b) => (a.author < b.author ? -1 : 1)),
    hashAt: (author, seq) => byAuthor.get(author)?.[seq - 1]?.hash,
  })
  if (content === undefined) throw new Error('it does not fit')
  return content
}

export interface Lies {
  /** Instead of the honest offer. */
  offer?: () => Uint8Array
  /** Instead of the entries asked for. */
  entries?: (honest: Uint8Array[]) => Uint8Array[]
  authority?: (honest: Uint8Array[]) => Uint8Array[]
}

/** A member with the catalog role that has these entries, signs a checkpoint of them, and lies as it is told; a list of what it was asked. */
export async function standIn(
  universe: CatalogUniverse,
  by: Identity,
  entries: () => readonly Entry[],
  lies: Lies = {},
): Promise<{ asked: string[] }> {
  await universe.admit(by.id, 'stand-in')
  const network = await universe.network('stand-in', ['catalog'], by.seed)
  const asked: string[] = []
  const all = () => [...universe.founding, ...entries()]
  const answers: { [T in Request['type']]?: (request: Request) => { head: Uint8Array; body?: Uint8Array } } = {
    heads: () => ({
      head: encode({ same: false, entries: all().length, digests: {}, whole: true }),
      body: encode(contentOf(universe, all(), { view: '0'.repeat(64) }).feeds.map(packHead)),
    }),
    checkpoint: () => {
      const content = contentOf(universe, all())
      return { head: encode({}), body: lies.offer?.() ?? packOffer({ content, statements: [signContent(by, content, Date.now())] }) }
    },
    authority: (request) => {
      const honest = all().filter((entry) => entry.type !== 'publish')
      const bytes = honest.slice((request as { skip: number }).skip).map((entry) => entry.bytes)
      return { head: encode({}), body: encode(lies.authority?.(bytes) ?? bytes) }
    },
    entries: (request) => {
      const { wants } = request as Extract<Request, { type: 'entries' }>
      const honest = wants.flatMap(({ author, from, to = Number.POSITIVE_INFINITY }) =>
        all().filter((entry) => entry.author === author && entry.seq >= from && entry.seq <= Math.min(to, from + 511)),
      )
      const bytes = honest.map((entry) => entry.bytes)
      return { head: encode({}), body: encode(lies.entries?.(bytes) ?? bytes) }
    },
  }
  network.handle(PROTOCOL, async ({ head, body }) => {
    const request = decodeAs(requestSchema, head, 'a request')
    asked.push(request.type)
    await collect(body, 1_000_000, 'the body')
    const answer = answers[request.type]
    if (answer === undefined) throw new Error('no answer')
    return answer(request)
  })
  return { asked }
}
