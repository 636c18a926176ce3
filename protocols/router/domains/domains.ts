/** Whose a host is: what the ledger claims, and what DNS says of it. While nobody claims a host, a request costs one look into a map. */
import type { Catalog, Setting } from '#protocols/catalog'
import { type DomainClaim, domainClaims, domainRecord, type DomainSummary } from '#protocols/domain'
import { OsirisError } from '#protocols/errors'
import type { Clock, MaybePromise } from '#protocols/lifecycle'

/** What DNS said is asked for again after this, in the background… */
const FRESH_MS = 10 * 60_000
/** …and counts so long while DNS cannot be asked: its owner may not even notice. */
const STALE_MS = 24 * 60 * 60_000
/** …and sooner while it does not say so of every claim. Who has just written the record waits no longer; who keeps asking for a host without one costs no more. */
const REFUSED_MS = 30_000

/** Text of the TXT records of a name: none where there is none. Rejects where nobody could say. */
export type ResolveTxt = (name: string) => Promise<string[]>

export interface DomainsInit {
  catalog: Pick<Catalog, 'settings'>
  resolveTxt: ResolveTxt
  /** Id of the universe. */
  universe: string
  clock: Clock
}

/** What DNS says of a host. One question answers for all who claim it, so that none of them is in another's way. */
interface Said {
  texts: ReadonlySet<string>
  /** When it last said so; before that it said nothing. */
  at: number
  /** When to ask again. */
  askAt: number
  asking: Promise<void> | undefined
}

export class Domains {
  readonly #init: DomainsInit
  #settings: readonly Setting[] | undefined
  #byHost: ReadonlyMap<string, DomainClaim[]> = new Map()
  /** By host; of claims that stand. */
  readonly #said = new Map<string, Said>()

  constructor(init: DomainsInit) {
    this.#init = init
  }

  /** Whose requests for this host are; nothing where the routes of all decide. At once when it is known. */
  holderOf(host: string): MaybePromise<DomainClaim | undefined> {
    const settings = this.#init.catalog.settings()
    return settings instanceof Promise ? settings.then((each) => this.#holderIn(each, host)) : this.#holderIn(settings, host)
  }

  /** Those of the claims that are wanted, and whether they count here. DNS is asked about hosts of which it did not say so lately; about all of these, `anew`. */
  async list(isWanted: (claim: DomainClaim) => boolean = () => true, anew = false): Promise<DomainSummary[]> {
    this.#read(await this.#init.catalog.settings())
    const claims = [...this.#byHost.values()].flat().filter(isWanted)
    // Until it answers what it said before stands.
    if (anew) await Promise.all(claims.map(({ host }) => this.#ask(host).catch(() => {})))
    return Promise.all(
      claims.map(async (claim) => {
        const counts = claim.isGranted || (await this.#isSaid(claim))
        return { ...claim, counts, record: domainRecord(claim, this.#init.universe) }
      }),
    )
  }

  /** Asks DNS now. Throws `not_found` where nobody claims the host. */
  async verify(host: string): Promise<DomainSummary[]> {
    const all = await this.list((claim) => claim.host === host, true)
    if (all.length === 0) throw new OsirisError('not_found', `Cannot verify "${host}": no namespace has claimed it`)
    return all
  }

  #holderIn(settings: readonly Setting[], host: string): MaybePromise<DomainClaim | undefined> {
    this.#read(settings)
    const claims = this.#byHost.get(host)
    if (claims === undefined) return undefined
    const [first] = claims
    if (first?.isGranted === true) return first
    return this.#proven(claims) ?? this.#provenLater(host, claims)
  }

  /** By namespace, so that every node that asks DNS finds the same. At once, whether or not DNS is being asked again meanwhile. */
  #proven(claims: readonly DomainClaim[]): DomainClaim | undefined {
    const proven = claims.find((each) => this.#holds(each))
    if (proven !== undefined && this.#isDue(proven.host)) this.#ask(proven.host).catch(() => {})
    return proven
  }

  async #provenLater(host: string, claims: readonly DomainClaim[]): Promise<DomainClaim | undefined> {
    if (this.#isDue(host)) await this.#ask(host).catch(() => {})
    return claims.find((each) => this.#holds(each))
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
    for (const host of this.#said.keys()) if (!byHost.has(host)) this.#said.delete(host)
  }

  async #isSaid(claim: DomainClaim): Promise<boolean> {
    if (!this.#holds(claim) && this.#isDue(claim.host)) await this.#ask(claim.host).catch(() => {})
    return this.#holds(claim)
  }

  /** By what DNS said last. */
  #holds(claim: DomainClaim): boolean {
    const said = this.#said.get(claim.host)
    if (said === undefined || this.#init.clock.monotonic() - said.at >= STALE_MS) return false
    return said.texts.has(domainRecord(claim, this.#init.universe).text)
  }

  /** Or it is being asked. */
  #isDue(host: string): boolean {
    const said = this.#said.get(host)
    return said === undefined || said.asking !== undefined || this.#init.clock.monotonic() >= said.askAt
  }

  /** Of all who ask at the same time one does. */
  #ask(host: string): Promise<void> {
    const said: Said = this.#said.get(host) ?? { texts: new Set(), at: 0, askAt: 0, asking: undefined }
    this.#said.set(host, said)
    return (said.asking ??= this.#hear(host, said))
  }

  async #hear(host: string, said: Said): Promise<void> {
    const { clock, resolveTxt, universe } = this.#init
    try {
      const { name } = domainRecord({ host, namespace: '' }, universe)
      said.texts = new Set(await resolveTxt(name))
      said.at = clock.monotonic()
    } finally {
      said.asking = undefined
      const claims = this.#byHost.get(host) ?? []
      said.askAt = clock.monotonic() + (claims.every((each) => each.isGranted || this.#holds(each)) ? FRESH_MS : REFUSED_MS)
    }
  }
}

function byGrantThenNamespace(a: DomainClaim, b: DomainClaim): number {
  if (a.isGranted !== b.isGranted) return a.isGranted ? -1 : 1
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0
}
