/** Lines of a made-up universe, unsigned: what the fold of authority sees. The door's tests sign theirs. */
import fc from 'fast-check'
import { createIdentity, type Grant, type Identity } from '#protocols/access'
import { digestOf } from '#protocols/codec'
import { agreeToRotation } from './authority-facts.ts'
import { LedgerAuthority } from './authority.ts'
import type { BodyOf, EntryType } from './bodies.ts'
import type { Line } from './entry.ts'

const keyOf = (number: number): Identity => createIdentity(new Uint8Array(32).fill(number))
export const ROOT = keyOf(1)
export const RECOVERY = keyOf(2)
/** Nodes that the root may let in. */
export const NODES = [keyOf(10), keyOf(11), keyOf(12)] as const
/** Keys nobody gave anything. */
export const EVES = [keyOf(20), keyOf(21)] as const
export const UNIVERSE = '0'.repeat(16)

/** Writes lines into feeds; the place of each in its feed is its own business, its time is the caller's. */
export class Feeds {
  readonly lines: Line[] = []
  readonly #seqs = new Map<string, number>()

  constructor() {
    this.write(ROOT, 'genesis', { name: 'test', root: ROOT.id, recovery: RECOVERY.id }, { grant: null, atMs: 0 })
  }

  seq(author: Identity): number {
    return this.#seqs.get(author.id) ?? 0
  }

  write<T extends EntryType>(author: Identity, type: T, body: BodyOf<T>, at: { grant: string | null; atMs?: number; seq?: number }): Line {
    const seq = at.seq ?? this.seq(author) + 1
    this.#seqs.set(author.id, Math.max(this.seq(author), seq))
    const hlc = { wallMs: at.atMs ?? this.lines.length * 10, counter: 0 }
    const place = { format: 1 as const, universe: UNIVERSE, author: author.id, seq, prev: null, hlc }
    const hash = digestOf(Buffer.from(`${this.lines.length}`))
    const line: Line = { ...place, type, body, by: 'ada', grant: at.grant, hash }
    this.lines.push(line)
    return line
  }

  /** By the root, in order. */
  admit(member: Identity, grants: Grant[], expiresAtMs: number | null = null): Line {
    return this.write(ROOT, 'admit', admission(member, grants, expiresAtMs), { grant: null })
  }
}

export function admission(member: Identity, grants: Grant[], expiresAtMs: number | null = null): BodyOf<'admit'> {
  return { member: member.id, name: 'node', roles: [], grants, expiresAtMs }
}

export const scope = (can: Grant['can'][number], ...namespaces: string[]): Grant => ({ can: [can], namespaces })

/** All of them at once. */
export function authorityOf(lines: readonly Line[]): LedgerAuthority {
  const authority = new LedgerAuthority(ROOT.id)
  for (const line of lines) authority.insert(line)
  authority.settle()
  return authority
}

/** What one writer does next; indices point into what is there by then. */
interface Move {
  author: Identity
  type: EntryType
  basis: number
  target: number
  subject: Identity
  scopes: Grant
  expiresAtMs: number | null
  pins: number[]
  /** Whose grant it is given under, besides its author's. */
  under: number | null
  jitterMs: number
}

const SCOPES: Grant[] = [
  scope('admin', '*'),
  scope('admin', 'team-*'),
  scope('admin', 'team-a'),
  scope('deploy', '*'),
  scope('deploy', 'team-a'),
]

const TYPES: EntryType[] = [
  'admit',
  'grant',
  'grant',
  'namespace',
  'namespace',
  'revoke',
  'revoke',
  'retire',
  'retire',
  'retire',
  'rotate',
  'ban',
]

const moveBy = (authors: readonly Identity[]): fc.Arbitrary<Move> =>
  fc.record({
    author: fc.constantFrom(...authors),
    type: fc.constantFrom<EntryType>(...TYPES),
    basis: fc.nat(30),
    target: fc.nat(30),
    subject: fc.constantFrom(...NODES),
    scopes: fc.constantFrom(...SCOPES),
    expiresAtMs: fc.constantFrom(null, null, null, 150),
    pins: fc.array(fc.nat(8), { minLength: 3, maxLength: 3 }),
    under: fc.option(fc.nat(30)),
    jitterMs: fc.integer({ min: -40, max: 40 }),
  })

/** Any entries by members and by keys above them, most of them senseless, and whatever `eves` add. */
export const moves = (authors: readonly Identity[] = [ROOT, ...NODES, ...NODES]): fc.Arbitrary<Move[]> =>
  fc.array(moveBy(authors), { minLength: 5, maxLength: 28 })

export function play(feeds: Feeds, all: readonly Move[], mayNameRoot = true): void {
  if (feeds.lines.length === 1) {
    feeds.admit(NODES[0], [scope('admin', '*')])
    feeds.admit(NODES[1], [scope('admin', 'team-*')])
    feeds.admit(NODES[2], [scope('deploy', '*')])
  }
  for (const move of all) {
    const isTop = mayNameRoot && (move.author === ROOT || move.author === RECOVERY)
    // Mostly a grant that its author holds, so that something comes of it.
    const held = feeds.lines.filter((line) => [line.body['member'], line.body['subject'], line.body['owner']].includes(move.author.id))
    const bases = move.basis % 5 === 0 || held.length === 0 ? feeds.lines : held
    const grant = isTop ? null : (bases[move.basis % bases.length] as Line).hash
    // In the feed's order, with ties and jumps between feeds.
    const last = feeds.lines.findLast((line) => line.author === move.author.id)?.hlc.wallMs ?? 0
    feeds.write(move.author, move.type, bodyFor(move, feeds) as BodyOf<typeof move.type>, {
      grant,
      atMs: Math.max(last + 1, feeds.lines.length * 10 + move.jitterMs),
    })
  }
}

function bodyFor(move: Move, feeds: Feeds): Record<string, unknown> {
  const { author, subject, scopes, expiresAtMs, target, under: below } = move
  const pins = NODES.map(({ id }, at) => ({ author: id, seq: move.pins[at] ?? 0 }))
  const grants = feeds.lines.filter((line) => ['admit', 'grant', 'namespace'].includes(line.type))
  // What its author gave, mostly; else anything.
  const given = target % 4 === 0 ? grants : grants.filter((line) => line.author === author.id)
  const aimed = given.length === 0 ? grants[target % grants.length] : given[target % given.length]
  const namespace = target % 3 === 0 && aimed?.type === 'namespace' ? (aimed.body['namespace'] as string) : `team-${'abc'[target % 3]}`
  const type: string = move.type
  const under = below === null ? {} : { under: (grants[below % grants.length] as Line).hash }
  switch (type) {
    case 'admit':
      return { ...admission(subject, [scopes], expiresAtMs), ...under }
    case 'grant':
      return { subject: subject.id, ...scopes, expiresAtMs, ...under }
    case 'namespace':
      return { namespace, owner: subject.id, of: target % 3 === 0 && aimed?.type === 'namespace' ? aimed.hash : null, pins, ...under }
    case 'revoke':
      return { grant: aimed?.hash ?? '', pins }
    case 'ban':
      return { member: subject.id, seq: (target % 6) + 2 }
    case 'rotate': {
      const from = author === ROOT ? subject : author
      const to = NODES[target % NODES.length] as Identity
      const seq = from === author ? feeds.seq(author) + 1 : (target % 6) + 2
      return { from: from.id, to: to.id, seq, proof: agreeToRotation(to, UNIVERSE, from.id) }
    }
    default:
      return { namespace, name: `f${target % 3}`, after: null }
  }
}
