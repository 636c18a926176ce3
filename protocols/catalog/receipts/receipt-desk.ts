/** What this node says of entries: its own receipts, those of others that are here, and how far each has come. */
import { digestOf } from '#protocols/codec'
import type { Identity } from '#protocols/access'
import type { Clock } from '#protocols/lifecycle'
import { type Network, type Peer, peerOf } from '#protocols/network'
import type { FetchOptions } from '../artifacts/artifact-fetcher.ts'
import type { ArtifactStore } from '../artifacts/artifacts.ts'
import type { Commitment, LedgerLine } from '../catalog.ts'
import { commitmentOf } from './commitment.ts'
import { placeOfNow } from '../ledger/receipts/electorate.ts'
import { type Entry, ENTRY_BYTES_MAX, type Place, reopenEntry } from '../ledger/entry.ts'
import type { EntryLine } from '../ledger/entry-line.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { SignedReceipt } from '../ledger/receipts/receipts.ts'
import type { Electors, ReceiptStore, Spot } from '../ledger/receipts/receipt-store.ts'
import { artifactOf } from '../artifacts/placement.ts'

export interface ReceiptDeskInit {
  identity: Identity
  nodeName: string
  network: Network
  ledger: Ledger
  receipts: ReceiptStore
  artifacts: ArtifactStore
  clock: Clock
}

export class ReceiptDesk {
  readonly #init: ReceiptDeskInit

  constructor(init: ReceiptDeskInit) {
    this.#init = init
  }

  /** Whose receipts count for an entry at this place; absent: for one written now. */
  electors(at?: Place): Electors {
    const { ledger, clock } = this.#init
    const place = at ?? placeOfNow(clock.now())
    return { members: ledger.state.electorate.at(place).length, counts: (key) => ledger.state.electorate.counts(key, place) }
  }

  nameOf(key: string): string | undefined {
    const { identity, nodeName, network, ledger } = this.#init
    return key === identity.id ? nodeName : (network.members.get(peerOf(key))?.name ?? ledger.state.electorate.nameOf(key))
  }

  /** Each with how far it has come. */
  async judged(lines: readonly EntryLine[]): Promise<LedgerLine[]> {
    const judged: LedgerLine[] = []
    for (const { counter, ...line } of lines)
      judged.push({ ...line, commitment: await this.commitmentOf({ ...line, wallMs: line.atMs, counter }) })
    return judged
  }

  /** How far an entry has come, by the receipts that are here. */
  async commitmentOf(place: Place): Promise<Commitment> {
    const electors = this.electors(place)
    const { receipts } = this.#init
    return commitmentOf(receipts.counting(await receipts.of(place), electors), electors.members, (key) => this.nameOf(key))
  }

  /**
   * This node's receipt of an entry that it took in, if the artifact it publishes is here too. With `fetching` it is fetched before, by `keep`,
   * from that peer first. Throws as `keep` does.
   */
  async receiptOf(
    bytes: Uint8Array,
    fetching: { first: Peer; timeoutMs: number; keep: (digest: string, options: FetchOptions) => Promise<void> } | undefined,
  ): Promise<Uint8Array | undefined> {
    const entry = reopenEntry(bytes, digestOf(bytes))
    const digest = artifactOf(entry)
    if (digest !== undefined && fetching !== undefined) await fetching.keep(digest, fetching)
    return (await this.sign(entry))?.bytes
  }

  /** Receipts of these entries that are here, and this node's own where more are needed. */
  async receipts(of: readonly Spot[]): Promise<Uint8Array[]> {
    const { receipts, identity } = this.#init
    const found: Uint8Array[] = []
    const electors = this.electors()
    for (const spot of of) {
      const known = receipts.counting(await receipts.of(spot), electors)
      const isEnough = commitmentOf(known, electors.members, () => undefined).state === 'committed'
      const own = isEnough || known.some((each) => each.holder === identity.id) ? undefined : await this.#signAt(spot)
      for (const each of own === undefined ? known : [...known, own]) found.push(each.bytes)
    }
    return found
  }

  /** This node's receipt of an entry on its disk; none while the artifact that it publishes is not here. */
  async sign(entry: Entry): Promise<SignedReceipt | undefined> {
    const { artifacts, receipts, ledger } = this.#init
    // What came by a checkpoint is vouched for when it is verified.
    if (entry.seq > ledger.adoption.verifiedTo(entry.author)) return undefined
    const digest = artifactOf(entry)
    return digest === undefined || (await artifacts.has(digest)) ? receipts.sign(entry) : undefined
  }

  async #signAt({ author, seq }: Spot): Promise<SignedReceipt | undefined> {
    const { ledger } = this.#init
    const hash = ledger.hashAt(author, seq)
    const [bytes] = hash === undefined ? [] : await ledger.read(author, seq, seq, ENTRY_BYTES_MAX)
    return bytes === undefined || hash === undefined ? undefined : this.sign(reopenEntry(bytes, hash))
  }
}
