/**
 * Who counts as a catalog, for a node that has not got the ledger yet: the entries about authority of all members that answer, each verified, judged
 * one after the other from the genesis on, as every door judged them.
 */
import { collect } from '#protocols/body'
import { decodeAs, digestOf } from '#protocols/codec'
import type { Clock } from '#protocols/lifecycle'
import type { Message, Peer } from '#protocols/network'
import { AuthorityAudit } from '../ledger/audit/audit-authority.ts'
import { Electorate, placeOfNow } from '../ledger/receipts/electorate.ts'
import { type Line, ENTRY_BYTES_MAX, Refusal } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { majorityOf } from '../ledger/receipts/receipts.ts'
import { type Offer, refusal } from '../ledger/checkpoints/shared-checkpoint.ts'
import { AUTHORITY_MAX, ENTRIES_BYTES_MAX, entriesSchema, type Request } from '../messages.ts'

/** Members that are asked; what one keeps back, another one tells. */
const PEERS_MAX = 8
/** Of one member; 16 MiB in all. */
const PAGES_MAX = 32
const VERIFIED_AT_ONCE = 64

export interface JuryInit {
  ledger: Ledger
  clock: Clock
  ask: (peer: Peer, request: Request) => Promise<Message>
  tell: (error: unknown) => void
}

/** Entries about authority on this node's disk, behind the first `skip`, at most `bytesMax` of them (one at least). */
export async function readAuthority(ledger: Ledger, skip: number, bytesMax: number): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  let left = bytesMax
  for (const { author, seq } of ledger.authority.places().slice(skip)) {
    const [bytes] = await ledger.read(author, seq, seq, ENTRY_BYTES_MAX)
    left -= bytes?.length ?? 0
    if (left < 0 && found.length > 0) break
    if (bytes !== undefined) found.push(bytes)
  }
  return found
}

/** What is known about authority here and at these members, in the total order, without what should never have come in. */
export async function hearAuthority(init: JuryInit, peers: readonly Peer[]): Promise<Line[]> {
  const { ledger } = init
  const heard = new Map<string, Uint8Array>()
  const hear = (list: readonly Uint8Array[]) => {
    for (const bytes of list) heard.set(digestOf(bytes), bytes)
  }
  hear(await readAuthority(ledger, 0, Number.POSITIVE_INFINITY))
  await Promise.all(peers.slice(0, PEERS_MAX).map((peer) => hearFrom(init, peer, hear).catch(init.tell)))
  const audit = new AuthorityAudit()
  const list = [...heard.values()]
  for (let at = 0; at < list.length; at += VERIFIED_AT_ONCE)
    for (const entry of await ledger.openAll(list.slice(at, at + VERIFIED_AT_ONCE)))
      if (!(entry instanceof Refusal)) audit.insert(entry, ledger.universe)
  const good: Line[] = []
  audit.judge(
    (line) => good.push(line),
    () => {},
  )
  return good
}

/** Who of those that signed it counts: admitted as a catalog by these entries, neither this node nor banned nor frozen. Throws `invalid_argument` for too few. */
export function requireQuorum(
  { statements }: Offer,
  authority: readonly Line[],
  ledger: Pick<Ledger, 'author' | 'frozen'>,
  nowMs: number,
): void {
  const electorate = new Electorate()
  for (const line of authority) electorate.insert(line)
  const place = placeOfNow(nowMs)
  const frozen = new Set(ledger.frozen().map(({ author }) => author))
  const electors = electorate.at(place).filter((key) => key !== ledger.author && !frozen.has(key) && electorate.counts(key, place))
  const signed = statements.filter(({ signer }) => electors.includes(signer)).length
  const needed = majorityOf(electors.length)
  if (signed < needed) throw refusal(`${signed} of the ${needed} catalogs that are needed signed it`)
}

async function hearFrom({ ask }: JuryInit, peer: Peer, hear: (list: readonly Uint8Array[]) => void): Promise<void> {
  for (let skip = 0, pages = 0; skip < AUTHORITY_MAX && pages < PAGES_MAX; pages += 1) {
    const response = await ask(peer, { type: 'authority', skip })
    const list = decodeAs(entriesSchema, await collect(response.body, 2 * ENTRIES_BYTES_MAX, 'entries'), 'entries')
    if (list.length === 0) return
    hear(list.slice(0, AUTHORITY_MAX - skip))
    skip += list.length
  }
}
