/** Who takes part in every run: one universe, its root, its nodes, a hostile one, people with and without grants. The same keys each time, so that what is signed once is judged once. */
import { createIdentity, type Grant, type Identity, type Invited, issueTokenBy, type Universe, universeId } from '#protocols/access'
import { createFounding } from '#protocols/catalog'
import { encode } from '#protocols/codec'
import type { Caller } from '#protocols/invocation'
import { EPOCH_MS } from './clock.ts'

const identityOf = (number: number): Identity => createIdentity(new Uint8Array(32).fill(number))

export const ROOT = identityOf(1)
/** Above the root, and on no node. */
const RECOVERY = identityOf(2)
/** As many as a run can have. */
export const NODES: readonly Identity[] = Array.from({ length: 6 }, (_, at) => identityOf(10 + at))
/** A member with a key of its own that keeps to no rule. */
export const HOSTILE = identityOf(40)
/** The root of a universe that is not this one. */
export const FOREIGN_ROOT = identityOf(60)

/** Keys of newcomers who come with one invitation, more of them than it lets in. */
export const GUESTS: readonly Identity[] = Array.from({ length: 4 }, (_, at) => identityOf(70 + at))
export const GUESTS_MAX = 2
const GATE = identityOf(80)

export const UNIVERSE: Universe = { name: 'simulated', root: ROOT.id, secret: 'ab'.repeat(32) }
const terms = {
  ...{ id: GATE.id, issuer: ROOT.id, universe: universeId(UNIVERSE), roles: ['router'] },
  ...{ uses: GUESTS_MAX, expiresAtMs: EPOCH_MS + 3_600_000 },
}
/** What the root made for newcomers; with keys that are the same each time. */
export const INVITED: Invited = {
  invitation: { ...terms, signature: new Uint8Array(ROOT.sign(Buffer.concat([Buffer.from('osiris/invitation/1\0'), encode(terms)]))) },
  secret: new Uint8Array(GATE.seed),
}

/** Who takes part in one run. */
export interface Company {
  /** Nodes; the first `keepers` of them keep the ledger. */
  count: number
  keepers: number
  hasHostile: boolean
}

const companies = new Map<string, readonly Uint8Array[]>()
/** What the root wrote before the run: all who take part are let in, and all but the hostile one judge the tokens of every namespace. */
export function foundingOf({ count, keepers, hasHostile }: Company): readonly Uint8Array[] {
  const key = `${count} ${keepers} ${String(hasHostile)}`
  const known = companies.get(key)
  if (known !== undefined) return known
  const founding = foundingEntries(count, keepers, hasHostile).map(({ bytes }) => bytes)
  companies.set(key, founding)
  return founding
}

/** The first nodes may let others in. */
export const ADMINS = 2

/** The hostile one second, so that what it stands on is the same in every run. */
function foundingEntries(count: number, keepers: number, hasHostile: boolean) {
  const nodes = NODES.slice(0, count).map(({ id }, at) => ({
    member: id,
    name: `n${at + 1}`,
    roles: at < keepers ? ['catalog', 'router', 'executor'] : ['router', 'executor'],
    grants: [{ can: [at < ADMINS ? ('admin' as const) : ('deploy' as const)], namespaces: ['*'] }],
    expiresAtMs: null,
  }))
  const hostile = { member: HOSTILE.id, name: 'hostile', roles: ['catalog'], grants: [], expiresAtMs: null }
  return createFounding(ROOT, UNIVERSE, hasHostile ? nodes.toSpliced(1, 0, hostile as never) : nodes, EPOCH_MS - 60_000, RECOVERY.id)
}

const [, first, second] = foundingEntries(1, 1, true)
/** The entry that let the first node in. */
export const FIRST_GRANT = first?.hash ?? ''
export const FIRST_ADMISSION = first?.bytes ?? new Uint8Array(0)
/** The entry that let the hostile one in. */
export const HOSTILE_GRANT = second?.hash ?? ''
export const HOSTILE_ADMISSION = second?.bytes ?? new Uint8Array(0)
export const FOREIGN_UNIVERSE: Universe = { name: 'foreign', root: FOREIGN_ROOT.id, secret: 'cd'.repeat(32) }

/** Where people deploy; nobody was ever given `closed`. */
export const NAMESPACE = 'demo'
export const CLOSED = 'closed'
/** What the root lends the hostile member, and takes back. */
export const LENT = 'lent'

export interface People {
  /** May deploy and call in `demo`. */
  ada: Caller
  /** May call there, and no more. */
  bob: Caller
  /** Signed by somebody who is not the root. */
  mallory: Caller
  /** May do everything, whoever holds the root. */
  boss: Caller
}

const people = new Map<boolean, Promise<People>>()
/** Their tokens, signed once. Where the root is given on, by recovery: they do not end with its key. */
export function peopleOf(isRuled: boolean): Promise<People> {
  const known = people.get(isRuled)
  const signed = known ?? signAll(isRuled ? RECOVERY : ROOT)
  people.set(isRuled, signed)
  return signed
}

async function signAll(root: Identity): Promise<People> {
  const token = (issuer: Identity, subject: string, can: Grant['can'], namespace: string = NAMESPACE) =>
    issueTokenBy(issuer, universeId(UNIVERSE), subject, [{ can, namespaces: [namespace] }], EPOCH_MS + 3_600_000)
  return {
    ada: { subject: 'ada', token: await token(root, 'ada', ['deploy']) },
    bob: { subject: 'bob', token: await token(root, 'bob', ['invoke']) },
    mallory: { subject: 'mallory', token: await token(FOREIGN_ROOT, 'mallory', ['admin']) },
    boss: { subject: 'boss', token: await token(root, 'boss', ['admin'], '*') },
  }
}
