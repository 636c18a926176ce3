/**
 * Domains of their owners' own: the ledger's settings `domain/HOST`. In a namespace, by who may deploy there, one is a claim that counts while the domain's DNS
 * says the same; in `*`, by administrators of everything, it counts by itself. Every node that routes judges for itself.
 * No dependencies: the browser SDK uses this file too.
 */
import { OsirisError } from './errors.ts'
import { isName } from './function.ts'
import { objectOf } from './json.ts'

const PREFIX = 'domain/'
/** Stands for all namespaces: a claim there is a grant. */
const EVERYWHERE = '*'
/** Labels of RFC 1123, two at least, the last of them no number: what a certificate and a TXT record can be for. */
const HOST_PATTERN = /^(?=.{4,245}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

export interface DomainClaim {
  host: string
  namespace: string
  /** All of the host is this function's; `null`: the routes of the namespace decide. */
  name: string | null
  /** Counts without DNS. */
  isGranted: boolean
}

/** A claim, and whether it counts at the node that answers. */
export interface DomainSummary extends DomainClaim {
  counts: boolean
  /** What DNS has to say for it: the name of a TXT record, and its text. */
  record: { name: string; text: string }
}

/** In lower case. Throws `invalid_argument` for what cannot be somebody's own. */
export function parseDomain(text: string): string {
  const host = text.toLowerCase()
  if (HOST_PATTERN.test(host) && !/(?:^|\.)localhost$/.test(host)) return host
  throw new OsirisError(
    'invalid_argument',
    `Cannot take ${JSON.stringify(text.slice(0, 255))} for a domain: expected a name such as shop.example.org`,
  )
}

/** The setting that says so: of the namespace, or of `*` where it is granted. */
export function domainSetting(
  claim: Pick<DomainClaim, 'host' | 'namespace' | 'name'>,
  isGranted: boolean,
): { namespace: string; key: string; value: string } {
  const { host, namespace, name } = claim
  const key = `${PREFIX}${parseDomain(host)}`
  if (isGranted) return { namespace: EVERYWHERE, key, value: JSON.stringify({ namespace, function: name }) }
  return { namespace, key, value: JSON.stringify({ function: name }) }
}

/** What settings claim; what cannot be read, of a newer node, claims nothing. */
export function domainClaims(settings: readonly { namespace: string; key: string; value: string }[]): DomainClaim[] {
  return settings.flatMap(({ namespace, key, value }) => {
    const host = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : ''
    const said = HOST_PATTERN.test(host) ? objectOf(value) : undefined
    if (said === undefined) return []
    const isGranted = namespace === EVERYWHERE
    const owner = isGranted ? said['namespace'] : namespace
    const name = said['function'] ?? null
    if (typeof owner !== 'string' || !isName(owner) || (name !== null && (typeof name !== 'string' || !isName(name)))) return []
    return [{ host, namespace: owner, name, isGranted }]
  })
}

/** Where DNS says whose a domain is, and what it says. A universe's id is in it: namespaces of another one have the same names. */
export function domainRecord(claim: Pick<DomainClaim, 'host' | 'namespace'>, universe: string): { name: string; text: string } {
  return { name: `_osiris.${claim.host}`, text: `osiris-domain=${claim.namespace}.${universe}` }
}
