/** Keys above all others: who they are, for whoever has to sign a rotation away from any node, and the door such a rotation comes in by. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Peer } from '#protocols/network'
import { Allowance } from './allowance.ts'
import type { Giving, HandedIn, Rotated, Succession, SuccessionDoor, WriteOptions } from './catalog.ts'
import { GivingDesk, type GivingDeskInit } from './giving.ts'
import { authorityFactOf, type RotateFact } from './ledger/authority-facts.ts'
import type { Keys } from './ledger/authority-keys.ts'
import { type Entry, ENTRY_BYTES_MAX, openEntry, Refusal } from './ledger/entry.ts'
import type { Ledger } from './ledger/ledger.ts'
import { Locks } from './locks.ts'
import { type NodeRotating, NodeRotation, successorIn } from './node-rotation.ts'
import type { Replication } from './replication.ts'
import { RootRotation, type RootRotationInit } from './rotating.ts'

/** For one sender: who recovers a universe asks a few times, and who makes up signatures costs 0.1 ms each. */
const ASKING = { perSecond: 5, burst: 20 }
/** Members that are asked for what is not here, or told what came. */
const PULLED_MAX = 3
const TOLD_MAX = 16
const PUSH_MS = 2000

export interface SuccessionDeskInit extends Omit<RootRotationInit, 'onError'>, GivingDeskInit {
  events: Events
}

export class SuccessionDesk implements SuccessionDoor {
  readonly #ledger: Ledger
  readonly #replication: Replication
  readonly #asking: Allowance
  readonly #locks = new Locks()
  readonly #rotation: RootRotation
  readonly #giving: GivingDesk
  readonly #node: NodeRotation

  constructor({ events, ...init }: SuccessionDeskInit) {
    this.#ledger = init.ledger
    this.#replication = init.replication
    this.#giving = new GivingDesk(init)
    this.#node = new NodeRotation(init)
    this.#asking = new Allowance({ clock: init.clock, ...ASKING })
    const warn = (error: unknown) =>
      events.emit('log', { level: 'warn', room: 'catalog', text: `The root's key is not in its place on disk: ${String(error)}` })
    this.#rotation = new RootRotation({ ...init, onError: warn })
  }

  /** As `RootRotation.settle`. */
  settle(): Promise<void> {
    return this.#rotation.settle()
  }

  /** The key that holds the root, as far as is known here; nothing where it ended with nobody after it. */
  holder(): string | undefined {
    return this.#ledger.authority.verdict.keys.holderOf(this.#ledger.root)
  }

  rotate(options: WriteOptions & { from?: string | undefined }): Promise<Rotated> {
    return this.#rotation.rotate(options)
  }

  /** As `SuccessionDoor`. `passedOn`: by a catalog that may not write it itself. */
  async give(giving: Giving, sender: string, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>, passedOn = false): Promise<Rotated> {
    this.#spend(sender)
    return this.#giving.give(giving, options, !passedOn)
  }

  /** As `NodeRotation.rotate`. One at a time. */
  rotateNode(rotating: NodeRotating, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>): Promise<HandedIn> {
    return this.#locks.run(['node'], () => this.#node.rotate(rotating, options))
  }

  /**
   * Takes in the last entry of a node's former key, as the node with the next one (`member`) shows it: nobody else may have heard of it. Throws `invalid_argument`
   * (it says something else, or is refused), `unavailable` (entries before it are nowhere to be had), `rate_limited`, `storage_full`.
   */
  async takeOver(bytes: Uint8Array, member: string, sender: Peer): Promise<void> {
    this.#spend(sender)
    if (successorIn(bytes)?.to !== member)
      throw new OsirisError('invalid_argument', 'Cannot take in the rotation: it is of another key, or none')
    if (!(await this.#replication.accept(sender, bytes)))
      throw new OsirisError('unavailable', 'Cannot take in the rotation: entries before it are not here; try again in a moment')
    void this.#replication.gossip(openEntry(bytes))
  }

  /** Throws `rate_limited`, `unavailable` where the disk is damaged at these places. */
  async tell(sender: string): Promise<Succession> {
    this.#spend(sender)
    const { root } = this.#ledger
    const keys: Succession['keys'] = []
    const chains = chainsOf(root, this.#ledger.authority.verdict.keys)
    for (const [key, of] of chains) keys.push({ key, of, last: await this.#bytesAt(key, this.#endOf(key)) })
    return { genesis: await this.#bytesAt(root, 1), keys }
  }

  /** As `SuccessionDoor`. One at a time, so that no two of one place meet. */
  async handIn(bytes: Uint8Array, sender: string): Promise<HandedIn> {
    this.#spend(sender)
    return this.#locks.run(['hand-in'], () => this.#take(bytes))
  }

  async #take(bytes: Uint8Array): Promise<HandedIn> {
    const entry = this.#judged(() => this.#ledger.open(bytes))
    const fact = this.#rotationIn(entry)
    if (this.#ledger.hashAt(entry.author, entry.seq) === entry.hash) return this.#told(entry, false)
    await this.#fetchBefore(entry, fact)
    assertFree(this.#ledger, entry)
    if (fact.seq > this.#endOf(fact.from))
      throw new OsirisError(
        'conflict',
        `${ACT}: it leaves ${fact.from.slice(0, 8)} its entries up to ${fact.seq}, and there are ${this.#endOf(fact.from)}; whoever has the old key could write the rest`,
      )
    const verdict = await this.#judgedAside(() => this.#ledger.take(entry, true))
    if (verdict === 'gap')
      throw new OsirisError('unavailable', `${ACT}: of its author’s feed entries before ${entry.seq} are not here; try again in a moment`)
    return this.#told(entry, verdict === 'stored')
  }

  /** Such as has an effect: of a recovery key that has not ended, about a key of the root’s, agreed to by the one that takes over. */
  #rotationIn(entry: Entry): RotateFact {
    const fact = authorityFactOf(entry)
    if (fact?.kind !== 'rotate') throw new OsirisError('forbidden', `${ACT}: only a rotation may be handed in, this is "${entry.type}"`)
    const { keys } = this.#ledger.authority.verdict
    const chains = chainsOf(this.#ledger.root, keys)
    if (chains.get(entry.author) !== 'recovery' || entry.grant !== null || entry.seq > keys.cap(entry.author))
      throw new OsirisError('forbidden', `${ACT}: its author ${entry.author.slice(0, 8)} is not the recovery key of this universe`)
    if (chains.get(fact.from) !== 'root')
      throw new OsirisError('invalid_argument', `${ACT}: ${fact.from.slice(0, 8)} is neither the root's key nor one that took over from it`)
    if (chains.has(fact.to) && keys.successors.get(fact.from)?.place.hash !== entry.hash)
      throw new OsirisError('invalid_argument', `${ACT}: ${fact.to.slice(0, 8)} is or was one of the keys above already; make a new one`)
    if (!fact.agreed)
      throw new OsirisError('invalid_argument', `${ACT}: its proof is not the signature of ${fact.to.slice(0, 8)}, which is to take over`)
    if (fact.from === this.#ledger.root && fact.seq < 1)
      throw new OsirisError('invalid_argument', `${ACT}: it takes out the genesis too; leave at least entry 1`)
    return fact
  }

  /** What this node lacks to judge it, if anything. */
  async #fetchBefore(entry: Entry, fact: RotateFact): Promise<void> {
    const lacks = () => this.#ledger.tip(entry.author).seq + 1 < entry.seq || this.#endOf(fact.from) < fact.seq
    for (const peer of this.#replication.others().slice(0, PULLED_MAX)) if (lacks()) await this.#replication.pull(peer)
  }

  /** Resolves when the others said whether they have it, too; never rejects. */
  async #told({ author, seq, hash, ...rest }: Entry, changed: boolean): Promise<HandedIn> {
    const entry = { author, seq, hash, ...rest }
    void this.#replication.gossip(entry)
    const push = async (peer: Peer) => (await this.#replication.push(peer, entry, PUSH_MS, false)).held
    const others = this.#replication.others()
    const said = await Promise.allSettled(others.slice(0, TOLD_MAX).map(push))
    const holders = 1 + said.filter((each) => each.status === 'fulfilled' && each.value).length
    return { author, seq, hash, changed, holders, catalogs: others.length + 1 }
  }

  #judged<T>(judge: () => T): T {
    try {
      return judge()
    } catch (error) {
      throw refused(error)
    }
  }

  async #judgedAside<T>(judge: () => Promise<T>): Promise<T> {
    try {
      return await judge()
    } catch (error) {
      throw refused(error)
    }
  }

  #endOf(key: string): number {
    const frozenFrom = this.#ledger.frozen().find(({ author }) => author === key)?.seq ?? Number.POSITIVE_INFINITY
    return Math.min(this.#ledger.tip(key).seq, frozenFrom - 1)
  }

  async #bytesAt(key: string, seq: number): Promise<Uint8Array | null> {
    if (seq < 1) return null
    const [bytes] = await this.#ledger.read(key, seq, seq, ENTRY_BYTES_MAX)
    return bytes ?? null
  }

  #spend(sender: string): void {
    if (this.#asking.has(sender)) return this.#asking.spend(sender, 1)
    this.#ledger.refused('flood')
    throw new OsirisError(
      'rate_limited',
      `Cannot take part in a rotation: more than ${ASKING.perSecond} questions a second came from there`,
    )
  }
}

const ACT = 'Cannot take in the rotation'

/** The root and those that took over from it, oldest first; then recovery’s. */
function chainsOf(root: string, keys: Keys): Map<string, 'root' | 'recovery'> {
  const chains = new Map<string, 'root' | 'recovery'>()
  for (let key: string | undefined = root; key !== undefined && !chains.has(key); key = keys.successors.get(key)?.to)
    chains.set(key, 'root')
  for (const key of keys.top.keys()) if (!chains.has(key)) chains.set(key, 'recovery')
  return chains
}

/** Two entries in one place would freeze their author, and recovery is the last there is. */
function assertFree(ledger: Ledger, { author, seq, prev }: Entry): void {
  const taken = ledger.hashAt(author, seq)
  const before = seq === 1 ? null : ledger.hashAt(author, seq - 1)
  if (taken === undefined && (before === undefined || before === prev)) return
  throw new OsirisError(
    'conflict',
    `${ACT}: the recovery key has written another entry ${taken === undefined ? seq - 1 : seq} already; sign no second one in its place`,
  )
}

function refused(error: unknown): unknown {
  return error instanceof Refusal ? new OsirisError('invalid_argument', `${ACT}: ${error.message}`, { cause: error }) : error
}
