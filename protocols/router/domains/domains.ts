/** Whose a host is: what the ledger claims, and what DNS says of it. While nobody claims a host, a request costs one look into a map. */
import type { Catalog, Setting } from '#protocols/catalog'
import { type DomainClaim, domainClaims, domainRecord, type DomainSummary } from '#protocols/domain'
import { OsirisError } from '#protocols/errors'
import type { Clock, MaybePromise } from '#protocols/lifecycle'

/** A proof is asked for again after this, in the background… */
const FRESH_MS = 10 * 60_000
/** …and counts so long while DNS cannot be asked: its owner may not even notice. */
const STALE_MS = 24 * 60 * 60_000
/** Who has just written the record waits no longer; who keeps asking for a host without one costs no more. */
const REFUSED_MS = 30_000
/** Claims of one host that are asked about: each may be somebody's who never had it. */
const CLAIMS_MAX = 8

/** Text of the TXT records of a name: none where there is none. Rejects where nobody could say. */
export type ResolveTxt = (name: string) => Promise<string[]>

export interface DomainsInit {
  catalog: Pick<Catalog, 'settings'>
  resolveTxt: ResolveTxt
  /** Id of the universe. */
  universe: string
  clock: Clock
}

interface Proof {
  holds: boolean
  /** When DNS last said so. */
  saidAt: number
  /** When to ask again. */
  askAt: number
  asking: Promise<boolean> | undefined
}

export class Domains {
  readonly #init: DomainsInit
  #settings: readonly Setting[] | undefined
  #byHost: ReadonlyMap<string, DomainClaim[]> = new Map()
  /** By host and namespace; of claims that stand. */
  #proofs = new Map<string, Proof>()

  constructor(init: DomainsInit) {
    this.#init = init
  }

  /** Whose requests for this host are; nothing where the routes of all decide. At once when it is known. */
  holderOf(host: string): MaybePromise<DomainClaim | undefined> {
    const settings = this.#init.catalog.settings()
    return settings instanceof Promise ? settings.then((each) => this.#holderIn(each, host)) : this.#holderIn(settings, host)
  }

  /** Every claim, and whether it counts here; DNS is asked anew where `ask` says so. */
  async list(ask: (claim: DomainClaim) => boolean = () => false): Promise<DomainSummary[]> {
    this.#read(await this.#init.catalog.settings())
    const claims = [...this.#byHost.values()].flat()
    return Promise.all(
      claims.map(async (claim) => {
        if (ask(claim)) this.#proofs.delete(keyOf(claim))
        return { ...claim, counts: await this.#counts(claim).then(Boolean, () => false), record: domainRecord(claim, this.#init.universe) }
      }),
    )
  }

  /** Asks DNS now. Throws `not_found` where nobody claims the host. */
  async verify(host: string): Promise<DomainSummary[]> {
    const all = (await this.list((claim) => claim.host === host)).filter((each) => each.host === host)
    if (all.length === 0) throw new OsirisError('not_found', `Cannot verify "${host}": no namespace has claimed it`)
    return all
  }

  #holderIn(settings: readonly Setting[], host: string): MaybePromise<DomainClaim | undefined> {
    this.#read(settings)
    const claims = this.#byHost.get(host)
    if (claims === undefined) return undefined
    const first = claims[0] as DomainClaim
    if (first.isGranted || (claims.length === 1 && this.#isKnown(first))) return first
    return this.#proven(claims)
  }

  /** By namespace, so that every node that asks DNS finds the same. */
  async #proven(claims: DomainClaim[]): Promise<DomainClaim | undefined> {
    for (const claim of claims.slice(0, CLAIMS_MAX)) if (await this.#counts(claim).catch(() => false)) return claim
    return undefined
  }

  #read(settings: readonly Setting[]): void {
    if (settings === this.#settings) return
    this.#settings = settings
    const byHost = new Map<string, DomainClaim[]>()
    for (const claim of domainClaims(settings).toSorted(byGrantThenNamespace)) {
      const others = byHost.get(claim.host)
      if (others === undefined) byHost.set(claim.host, [claim])
      else others.push(claim)
    }
    this.#byHost = byHost
    const kept = new Set([...byHost.values()].flat().map(keyOf))
    for (const key of this.#proofs.keys()) if (!kept.has(key)) this.#proofs.delete(key)
  }

  /** Proven, whether or not it is being asked again meanwhile. */
  #isKnown(claim: DomainClaim): boolean {
    const proof = this.#proofs.get(keyOf(claim))
    if (proof?.holds !== true) return false
    if (this.#init.clock.monotonic() >= proof.askAt) void this.#ask(claim).catch(() => {})
    return this.#init.clock.monotonic() - proof.saidAt < STALE_MS
  }

  async #counts(claim: DomainClaim): Promise<boolean> {
    if (claim.isGranted || this.#isKnown(claim)) return true
    const proof = this.#proofs.get(keyOf(claim))
    if (proof !== undefined && proof.asking === undefined && this.#init.clock.monotonic() < proof.askAt) return proof.holds
    return this.#ask(claim)
  }

  #ask(claim: DomainClaim): Promise<boolean> {
    const { clock, resolveTxt, universe } = this.#init
    const key = keyOf(claim)
    const proof: Proof = this.#proofs.get(key) ?? { holds: false, saidAt: 0, askAt: 0, asking: undefined }
    this.#proofs.set(key, proof)
    const { name, text } = domainRecord(claim, universe)
    proof.asking ??= resolveTxt(name)
      .then((texts) => {
        proof.holds = texts.includes(text)
        proof.saidAt = clock.monotonic()
        return proof.holds
      })
      .finally(() => {
        proof.asking = undefined
        proof.askAt = clock.monotonic() + (proof.holds ? FRESH_MS : REFUSED_MS)
      })
    return proof.asking
  }
}

function keyOf({ host, namespace }: DomainClaim): string {
  return `${host} ${namespace}`
}

function byGrantThenNamespace(a: DomainClaim, b: DomainClaim): number {
  if (a.isGranted !== b.isGranted) return a.isGranted ? -1 : 1
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0
}
